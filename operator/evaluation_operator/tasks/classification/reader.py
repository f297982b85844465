"""What one row of the table says of labels: one an item, or several of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.tasks.forms import Keys, LabelForms, Pair
from evaluation_operator.tasks.items import Predicted, RowReader, Truth
from evaluation_operator.tasks.label_names import LabelNames
from evaluation_operator.tasks.row_json import UnreadableError, shown


def is_multi_label(spec: DatasetSpec) -> bool:
    metadata = spec.input_configs[0].classification_metadata
    return bool(metadata and metadata.is_multi_label)


class LabelReader(RowReader):
    """Reads rows of a classification. ValueError for names that are not in the label set."""

    def __init__(
        self,
        names: LabelNames,
        keys: Keys,
        pair: Pair | None = None,
        *,
        is_multi_label: bool,
        is_one_item: bool = False,
    ) -> None:
        self.is_one_item = is_one_item
        self._names = names.names
        self._forms = LabelForms(names, keys, pair, is_multi_label=is_multi_label)
        self._is_multi_label = is_multi_label

    def read_prediction(self, entry: object) -> Predicted:
        said = self._forms.read(entry)
        _refuse_repeats(said.labels, self._names, "raw_prediction")
        if said.scores is None:
            return Predicted(said.labels, None, form=said.form)
        pairs = zip(said.labels, said.scores, strict=True)
        best_first = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        labels, scores = tuple(it for it, _ in best_first), tuple(it for _, it in best_first)
        return Predicted(labels, scores, differs=said.differs, form=said.form)

    def read_truth(self, entry: object) -> Truth:
        labels = self._forms.read_truth(entry)
        _refuse_repeats(labels, self._names, "groundtruth")
        if not self._is_multi_label and len(labels) != 1:
            raise UnreadableError(
                f"groundtruth: {len(labels)} labels in a single-label task; give exactly one, "
                "or null for an item that nobody has labelled"
            )
        return Truth(tuple(sorted(labels)))


def _refuse_repeats(labels: Sequence[int], names: Sequence[str], column: str) -> None:
    twice, times = next(iter(Counter(labels).most_common(1)), (0, 1))
    if times > 1:
        raise UnreadableError(f"{column}: label {shown(names[twice])} is given twice; give it once")
