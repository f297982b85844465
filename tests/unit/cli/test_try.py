"""`try`: what predictions of real servers and clients become, item by item."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml
from typer.testing import Result

from evaluation_operator.bodies.values import NoPrediction, Unreadable
from evaluation_operator.bodies.wire import read_response
from tests.builders import make_detection_job, make_evaluation_job, make_spec_set, merged
from tests.unit.cli.running import json_of, run_cli, write_manifests

CASES: Final[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "predictions.yaml").read_text()
)
CAT_DOG: Final = [["cat"], ["dog"]]


class Told(NamedTuple):
    """What is to come out: labels and scores of each item, or the reason and words of its message.
    `without`: fields of the job that are left out."""

    labels: Sequence[list[str]] = ()
    scores: Sequence[Any] = ()
    boxes: Sequence[Any] | None = None
    reason: str | None = None
    words: str = ""
    warning: str = ""
    without: tuple[str, ...] = ()


UNSCORED: Final = "labels without scores"
ONE_CURE: Final = "inputConfig.itemsPerRequest: ONE"
TOLD: Final[dict[str, list[Told]]] = {
    "00_control_v1": [Told([["cat", "dog"], ["dog"]], [[0.9, 0.1], [0.7]])],
    "01_kserve_hf_probabilities": [Told([["1", "0"], ["0", "1"]], [[0.97, 0.03], [0.88, 0.12]])],
    "02_kserve_hf_default_index": [Told([["1"], ["0"]], [None, None], warning=UNSCORED)],
    "03_torchserve_kserve_dict": [Told([["tiger_cat", "tabby", "lynx"]], [[0.58, 0.38, 0.04]])],
    "06_djl_native_list": [
        Told([["cat", "dog"]], [[0.7, 0.3]]),
        Told(
            reason="CountsDiffer",
            words=f"1 instances and 2 predictions.*{ONE_CURE}",
            without=("itemsPerRequest",),
        ),
    ],
    "07_tfserving_softmax_rows": [
        Told([["cat", "dog"], ["dog", "cat"]], [[0.9, 0.1], [0.8, 0.2]]),
        Told(reason="UnknownForm", words="inputConfig.classNames", without=("classNames",)),
    ],
    "08_tfserving_classify": [
        Told([["cat", "dog"], ["dog", "cat"]], [[0.9, 0.1], [0.8, 0.2]]),
    ],
    "10_tfserving_columnar_unequal": [
        Told(reason="CountsDiffer", words="1 instances and 2 predictions")
    ],
    "11_mlserver_hf_jsonlist": [Told([["NEGATIVE"]], [[0.99]])],
    "12_mlserver_predict_and_proba": [Told([["1", "0"], ["0", "1"]], [[0.8, 0.2], [0.9, 0.1]])],
    "13_mlserver_xgboost_proba": [
        Told([["1", "0"], ["0", "1"]], [[0.93, 0.07], [0.96, 0.04]]),
        Told(
            reason="UnknownForm",
            words="inputConfig.positiveLabel",
            without=("positiveLabel", "negativeLabel"),
        ),
    ],
    "14_triton_classification_ext": [Told([["cat", "dog"]], [[0.9, 0.1]])],
    "15_triton_unbatched": [
        Told([["a", "b", "c", "d"]], [[0.7, 0.1, 0.1, 0.1]]),
        Told(reason="CountsDiffer", words=ONE_CURE, without=("itemsPerRequest",)),
    ],
    "16_triton_unbatched_equal": [
        Told([["cat", "dog"]], [[0.6, 0.4]]),
        Told(CAT_DOG, [[0.6], [0.4]], warning=ONE_CURE, without=("itemsPerRequest",)),
    ],
    "17_triton_no_detections_binary": [Told([[]], [[]], boxes=[[]])],
    "18_triton_no_detections_flat": [Told(reason="UnknownForm", words="labels.*scores.*boxes")],
    "20_vertex_classification": [Told([["cat", "dog"]], [[0.9, 0.1]])],
    "21_vertex_detection": [Told([["cat"]], [[0.9]], boxes=[[[0.1, 0.2, 0.5, 0.6]]])],
    "22_seldon_v1_ndarray": [
        Told([["cat", "dog"]], [[0.9, 0.1]]),
        Told(reason="UnknownForm", words="inputConfig.classNames", without=("classNames",)),
    ],
    "24_agent_gzip_response": [Told([["cat"]], [[0.9]])],
    "25_gzip_content_encoding": [Told([["cat"]], [None], warning=UNSCORED)],
    "26_mlflow1_split": [Told(CAT_DOG, [None, None], warning=UNSCORED)],
    "27_mlflow2_proba": [Told([["cat", "dog"], ["dog", "cat"]], [[0.9, 0.1], [0.8, 0.2]])],
    "28_mlflow_transformers": [Told(CAT_DOG, [[0.9], [0.8]])],
    "30_mlflow_csv": [Told(reason="Unreadable", words="unreadable JSON")],
    "31_hf_pipeline_topk": [Told([["cat", "dog"]], [[0.9, 0.1]])],
    "33_hf_topk_plain": [Told([["cat", "dog"]], [[0.9, 0.1]])],
    "34_ray_serve": [Told([["cat"]], [[0.99]])],
    "35_bentoml": [Told([["cat"]], [None], warning=UNSCORED)],
    "36_openai_chat": [Told(reason="UnknownForm", words="a chat completion, a form")],
    "37_openai_sse": [
        Told(reason="Unreadable", words="a stream of events.*chat completion chunks")
    ],
    "38_vllm_classify": [Told([["cat"]], [None], warning=UNSCORED)],
    "40_kserve_batcher": [Told([["cat"]], [[0.9]])],
    "42_v2_id_in_body": [Told([["cat"]], [[0.9]])],
    "43_v2_aux_input": [Told(CAT_DOG, [[0.9], [0.8]])],
    "44_v2_scalar_shape": [Told([["cat"]], [None], warning=UNSCORED)],
    "45_v2_detection": [
        Told([["1", "2"]], [[0.9, 0.4]], boxes=[[[10, 10, 50, 50], [20, 20, 30, 30]]]),
        Told(reason="UnknownForm", words="inputConfig.boxFormat", without=("boxFormat",)),
    ],
    "47_transformer_cure": [Told([["cat", "dog"]], [[0.9, 0.1]])],
    "48_openai_cure_plain": [Told([["cat"]], [None], warning=UNSCORED)],
    "49_openai_plain_asis": [Told(reason="UnknownForm", words="a chat completion, a form")],
    "50_bom": [Told([["cat"]], [None], warning=UNSCORED)],
    "52_latin1": [Told(reason="Unreadable", words="no UTF-8 at byte 25")],
    "54_bigint": [Told([["cat"]], [None], warning=UNSCORED)],
    "55_bool_null_labels": [Told([["true"], ["false"], []], [None] * 3, warning="it is null")],
    "56_python_bool_labels": [Told([["True"], ["False"]], [None, None], warning=UNSCORED)],
    "57_score_texts": [Told(reason="Unreadable", words='score "0.9" under "scores" is no number')],
    "58_np_repr": [Told(reason="Unreadable", words="np.str_\\('cat'\\).* value of numpy")],
    "63_plain_hf_asis": [Told([["cat"]], [[0.9]])],
    "64_plain_triton_binary": [Told(reason="Unreadable", words="binary_data_size 4, but 0 bytes")],
    "65_v1_single_prob_list": [
        Told([["1", "0"], ["0", "1"]], [[0.93, 0.07], [0.96, 0.04]]),
        Told(
            reason="UnknownForm",
            words="inputConfig.positiveLabel",
            without=("positiveLabel", "negativeLabel"),
        ),
    ],
    "68_v1_error_200": [Told(reason="UnknownForm", words='error answer: "CUDA out of memory"')],
    "69_triton_gzip_request": [Told([["cat"]], [[0.9]])],
}
"""Cases of headers, of halves and of calls are tested where those are read."""


def body_of(content: object) -> bytes:
    match content:
        case {"$raw": str(text)}:
            return text.encode()
        case {"$b64": str(text)}:
            return base64.b64decode(text)
        case {"$latin1": str(text)}:
            return text.encode("latin-1")
        case {"$gzip": inner}:
            return gzip.compress(json.dumps(inner).encode())
        case _:
            return json.dumps(content).encode()


def tried(place: Path, name: str, without: tuple[str, ...] = (), *options: str) -> Result:
    case = CASES[name]
    config = case.get("job", {}).get("inputConfig", {})
    changes = {
        "evaluationJobConfig": {
            "inputConfig": {key: value for key, value in config.items() if key not in without},
            "bigqueryImportKeys": case.get("keys", {}),
        }
    }
    make = make_detection_job if case.get("boxes") else make_evaluation_job
    labels = make_spec_set(labels=tuple(case.get("set", ("cat", "dog"))))
    if case.get("job", {}).get("inputConfig", {}).get("classNames"):
        labels = make_spec_set(labels=tuple(case.get("set", config["classNames"])))
    files = write_manifests(place / "job.yaml", merged(make(), {"spec": changes}), labels)
    plain = case.get("plain", {})
    for half in ("request", "response"):
        key = {"request": "instances", "response": "predictions"}[half]
        content = case.get(half, plain.get(half, plain.get(key)))
        (place / half).write_bytes(body_of({key: content} if key in plain else content))
    bodies = ("--request", str(place / "request"), "--response", str(place / "response"))
    return run_cli("try", "-f", files, *bodies, *options)


@pytest.mark.parametrize(
    ("name", "told"),
    [(name, told) for name, all_of_it in TOLD.items() for told in all_of_it],
    ids=[f"{name}{told.without or ''}" for name, all_of_it in TOLD.items() for told in all_of_it],
)
def test_a_prediction_of_a_real_server(tmp_path: Path, name: str, told: Told) -> None:
    result = tried(tmp_path, name, told.without, "-o", "json")
    found = json_of(result)
    assert set(found) == {"form", "reason", "message", "warnings", "items"}
    assert (found["reason"], result.exit_code) == (told.reason, int(told.reason is not None))
    if told.reason is not None:
        assert_words(told.words, found["message"])
        return
    assert [item["labels"] for item in found["items"]] == list(told.labels)
    assert [item["scores"] for item in found["items"]] == [
        None if it is None else pytest.approx(it) for it in told.scores
    ]
    assert all(item["fault"] is None for item in found["items"])
    if told.boxes is not None:
        assert [item["boxes"] for item in found["items"]] == told.boxes
    if told.warning:
        assert_words(told.warning, "\n".join(found["warnings"]))
    else:
        assert found["warnings"] == []


def assert_words(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text


def test_people_see_every_item_and_why_one_cannot_be_read(tmp_path: Path) -> None:
    shown = tried(tmp_path, "00_control_v1").stdout
    assert [line.split() for line in shown.splitlines() if "cat" in line] == [
        ["0", "cat", "0.9;", "dog", "0.1"]
    ]
    assert "Form:  labels with scores" in shown
    refused = tried(tmp_path, "57_score_texts")
    assert refused.exit_code == 1
    assert "Reason:   Unreadable" in refused.stdout
    assert "cannot be read: raw_prediction: score" in refused.stdout
    boxes = tried(tmp_path, "21_vertex_detection").stdout
    assert "cat 0.9 at 0.1, 0.2, 0.5, 0.6" in boxes


def test_one_tensor_of_rows_has_its_boxes_under_one_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("label_json_key", "label_score_json_key", "bounding_box_json_key")
    case = CASES["18_triton_no_detections_flat"]
    monkeypatch.setitem(case, "keys", dict.fromkeys(keys, "output"))
    [none] = json_of(tried(tmp_path, "18_triton_no_detections_flat", (), "-o", "json"))["items"]
    assert (none["labels"], none["boxes"]) == ([], [])
    rows = [[10, 20, 30, 40, 0.5, 0], [1, 2, 3, 4, 0.25, 0]]
    tensor = {"name": "output", "shape": [1, 2, 6], "datatype": "FP32", "data": [rows]}
    monkeypatch.setitem(case, "response", {"outputs": [tensor]})
    [two] = json_of(tried(tmp_path, "18_triton_no_detections_flat", (), "-o", "json"))["items"]
    assert (two["labels"], two["scores"]) == (["0", "0"], [0.5, 0.25])
    assert two["boxes"] == [[10, 20, 30, 40], [1, 2, 3, 4]]


def test_an_answer_alone_is_read_from_standard_input(tmp_path: Path) -> None:
    files = write_manifests(tmp_path / "job.yaml", make_evaluation_job(), make_spec_set())
    result = run_cli("try", "-f", files, "--response", "-", "-o", "json", stdin='["ripe"]')
    assert json_of(result)["items"] == [
        {"labels": ["ripe"], "scores": None, "boxes": None, "fault": None}
    ]


def test_a_file_that_is_not_there_and_classes_that_no_set_has_are_named(tmp_path: Path) -> None:
    files = write_manifests(tmp_path / "job.yaml", make_evaluation_job(), make_spec_set())
    gone = run_cli("try", "-f", files, "--response", str(tmp_path / "gone"))
    assert (gone.exit_code, "--response: " in gone.stderr) == (1, True)
    config = {"evaluationJobConfig": {"inputConfig": {"classNames": ["ripe", "rotten"]}}}
    odd = write_manifests(tmp_path / "odd.yaml", make_evaluation_job(spec=config), make_spec_set())
    refused = run_cli("try", "-f", odd, "--response", odd)
    assert refused.exit_code == 1
    assert "classNames: 'rotten': is no label of the AnnotationSpecSet: add it" in refused.stderr


@pytest.mark.parametrize(
    "name", ["00_control_v1", "12_mlserver_predict_and_proba", "45_v2_detection"]
)
def test_a_body_that_is_cut_off_anywhere_is_told(tmp_path: Path, name: str) -> None:
    """At every byte: nothing but a reason comes out."""
    tried(tmp_path, name)
    whole = (tmp_path / "response").read_bytes()

    for end in range(len(whole)):
        with pytest.raises((NoPrediction, Unreadable)):
            read_response(whole[:end])
