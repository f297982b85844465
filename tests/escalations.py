"""What somebody with edit rights may try to get more than their namespace, and who refuses it.

    python -m tests.escalations            prints docs/escalations.tsv
    python -m tests.escalations --check    exits with 1 if that file is out of date

Each of them is asked of the offline validator here, of the real API server in
tests/integration/test_escalations.py, and of the operator's own judgement.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.allowances import Allowances, is_claim_for_tables
from evaluation_operator.domain.stalled import Limits
from evaluation_operator.domain.tables import table_source
from evaluation_operator.offline import validate_manifest
from tests.builders import (
    ABSENT,
    MOUNT,
    Manifest,
    make_dataset,
    make_evaluation,
    make_evaluation_job_with_config,
    make_human_job,
    make_instruction,
    make_spec_set,
    make_version,
    merged,
    stored,
)

TABLE = Path(__file__).resolve().parents[1] / "docs" / "escalations.tsv"

LIMITS = Limits(allowances=Allowances(email_domains=("corp.example",)))
"""The defaults, with a list of domains, as a company has one."""


class Judge(StrEnum):
    """Who refuses; nobody where the manifest does no harm."""

    SCHEMA = "schema"
    STALLED = "operator (Stalled)"
    NOT_ALLOWED = "operator (NotAllowed)"
    RBAC = "RBAC of edit users"
    NOBODY = "admitted"


@dataclass(frozen=True)
class Escalation:
    """`harmless`: why it may be admitted; empty where somebody refuses it."""

    manifest: Manifest
    refused_by: Judge
    harmless: str = ""


CONFIG = "evaluationJobConfig"
OWN_FOLDERS = "a folder on the claims of the same namespace"
BOUND_CREDENTIALS = "nothing is sent there that a Secret binds to another host"
SHOWN_AS_TEXT = "texts are escaped wherever they are shown"
STATUS_IS_DROPPED = "the API server drops a status from what users write"
OWN_FINALIZER = "it holds up nothing but the author's own object"


def _job(**spec: Any) -> Manifest:
    """On the claim that every namespace has, which is nothing to refuse."""
    return merged(_files(f"file://{MOUNT}/predictions"), {"spec": spec})


def _template(**template: Any) -> Manifest:
    return _job(runTemplate=template)


def _secret(name: str) -> list[dict[str, Any]]:
    return [{"secretRef": {"name": name}}]


def _version(**spec: Any) -> Manifest:
    return make_version(spec=spec)


def _files(folder: str) -> Manifest:
    return _source(folder, "evaluations")


def _claim(name: str) -> Manifest:
    return _source(f"file://{MOUNT}", name)


def _source(uri: str, claim: object, **spec: Any) -> Manifest:
    source = {"inputUri": uri, "persistentVolumeClaimName": claim}
    return make_evaluation_job_with_config({"inputConfig": {"tableSource": source}}, **spec)


def _bucket(uri: str) -> Manifest:
    return _source(uri, ABSENT)


def _database(uri: str, **spec: Any) -> Manifest:
    return _source(uri, ABSENT, resultsUri="s3://fruit/results", **spec)


def _people(**human: Any) -> Manifest:
    return merged(make_human_job(), {"spec": {CONFIG: {"humanAnnotationConfig": human}}})


def _logger(service: str) -> Manifest:
    return _job(manageLogger=True, modelSelector={"inferenceservicename": service})


def _pod_affinity() -> Manifest:
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "namespaceSelector": {},
        "labelSelector": {"matchLabels": {"app": "victim"}},
    }
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return _template(affinity={"podAffinity": required})


def _all(judge: Judge, harmless: str = "", **manifests: Manifest) -> dict[str, Escalation]:
    return {
        name.replace("_", "-"): Escalation(manifest, judge, harmless)
        for name, manifest in manifests.items()
    }


def _accounts_and_images() -> dict[str, Escalation]:
    return _all(
        Judge.STALLED,
        serviceaccount_default=_template(serviceAccountName="default"),
        serviceaccount_of_the_sampler=_template(serviceAccountName="evaluation-sampler"),
        serviceaccount_labeler=_template(serviceAccountName="evaluation-labeler"),
    ) | {
        "serviceaccount-dots": Escalation(_template(serviceAccountName="a..b"), Judge.SCHEMA),
        "image-foreign": Escalation(_template(image="evil.example/rootkit:1"), Judge.STALLED),
        "image-with-blank": Escalation(_template(image=" evil"), Judge.SCHEMA),
    }


def _pods() -> dict[str, Escalation]:
    """What a pod's spec has and a runTemplate must not."""
    return _all(
        Judge.SCHEMA,
        hostpath_volume=_template(volumes=[{"name": "h", "hostPath": {"path": "/"}}]),
        hostnetwork=_template(hostNetwork=True),
        hostpid=_template(hostPID=True),
        security_context_privileged=_template(securityContext={"privileged": True}),
        command=_template(command=["sh", "-c", "id"]),
        args=_template(args=["x"]),
        env_literal=_template(env=[{"name": "LD_PRELOAD", "value": "/x.so"}]),
        init_containers=_template(initContainers=[{"name": "i", "image": "x"}]),
        envfrom_any_secret=_template(envFrom=_secret("db-root")),
        envfrom_configmap=_template(envFrom=[{"configMapRef": {"name": "c"}}]),
        envfrom_prefix=_template(envFrom=[{"prefix": "LD_", **_secret("evaluation-db")[0]}]),
        envfrom_sampler_tokens=_template(envFrom=_secret("evaluation-sampler-tokens")),
        envfrom_sampler_stores=_template(envFrom=_secret("evaluation-sampler-stores")),
    ) | {
        "envfrom-someone-elses-evaluation-secret": Escalation(
            _template(envFrom=_secret("evaluation-prod-payments-db")),
            Judge.NOBODY,
            BOUND_CREDENTIALS,
        ),
        "envfrom-namespace": Escalation(
            _template(
                envFrom=[{"secretRef": {"name": "evaluation-db", "namespace": "kube-system"}}]
            ),
            Judge.SCHEMA,
        ),
    }


def _special_pods() -> dict[str, Escalation]:
    plane = "node-role.kubernetes.io/control-plane"
    return (
        _all(
            Judge.NOT_ALLOWED,
            priority_system_node_critical=_template(priorityClassName="system-node-critical"),
            priority_system_cluster_critical=_template(priorityClassName="system-cluster-critical"),
            tolerate_everything=_template(tolerations=[{"operator": "Exists"}]),
            control_plane_node=_template(
                nodeSelector={plane: ""}, tolerations=[{"key": plane, "operator": "Exists"}]
            ),
            nodeselector_hostname=_template(
                nodeSelector={"kubernetes.io/hostname": "node-of-another-tenant"}
            ),
        )
        | _all(
            Judge.SCHEMA,
            affinity_to_victim_pods_all_namespaces=_pod_affinity(),
            affinity_garbage=_template(affinity={"x": [[[[{"a": 1}]]]]}),
        )
        | _all(
            Judge.NOT_ALLOWED,
            imagepullsecret_any=_template(imagePullSecrets=[{"name": "registry-admin"}]),
            resources_huge=_template(resources={"requests": {"cpu": "100000", "memory": "100Ti"}}),
            resources_all_gpus=_template(resources={"limits": {"nvidia.com/gpu": 64}}),
        )
        | _all(Judge.SCHEMA, resources_negative=_template(resources={"requests": {"cpu": "-1"}}))
        | _all(
            Judge.NOT_ALLOWED,
            resources_hugepages_key=_template(resources={"limits": {"hugepages-1Gi": "1Gi"}}),
            deadline_30_days=_template(activeDeadlineSeconds=2_592_000),
        )
        | _all(Judge.SCHEMA, queue_traversal=_template(queueName="../x"))
    )


def _volumes() -> dict[str, Escalation]:
    return (
        _all(
            Judge.NOT_ALLOWED,
            pvc_of_another_workload=_claim("data-postgresql-0"),
            pvc_of_the_samplers_wal=_claim("accepted-evaluation-sampler-0"),
        )
        | _all(
            Judge.SCHEMA,
            pvc_slash=_claim("../x"),
            file_root=_files("file:///"),
            file_etc=_files("file:///etc"),
            file_dotdot=_files(f"file://{MOUNT}/../../../etc"),
            file_dotdot_percent=_files(f"file://{MOUNT}/%2e%2e/%2e%2e/%2e%2e/etc"),
            file_dotdot_newline=_files(f"file://{MOUNT}/.\n./.\n./.\n./etc"),
            file_dotdot_tab=_files(f"file://{MOUNT}/.\t./x"),
            file_prefix_trick=_files(f"file://{MOUNT}-evil"),
            file_host=_files(f"file://evil.example{MOUNT}"),
            file_localhost=_files(f"file://localhost{MOUNT}"),
            file_upper=_files(f"FILE://{MOUNT}"),
            file_single_slash=_files(f"file:{MOUNT}"),
            file_glob=_files(f"file://{MOUNT}/*"),
            file_query=_files(f"file://{MOUNT}?x=1"),
            file_quote=_files(f"file://{MOUNT}/a'; ATTACH '/x' AS y; --"),
            file_backslash=_files(f"file://{MOUNT}/..\\..\\etc"),
            file_nul=_files(f"file://{MOUNT}/a\0b"),
        )
        | _all(
            Judge.NOBODY,
            OWN_FOLDERS,
            file_other_jobs_folder=_files(f"file://{MOUNT}/victim-job"),
            file_payments_labels=_files(f"file://{MOUNT}/victim-job/_labels"),
            results_into_other_job=_job(resultsUri=f"file://{MOUNT}/victim-job"),
        )
        | _all(Judge.SCHEMA, results_dotdot=_job(resultsUri=f"file://{MOUNT}/x/../../etc"))
    )


def _stores() -> dict[str, Escalation]:
    evil = "postgresql://attacker.example:5432/x/public.t"
    stolen = {"envFrom": _secret("evaluation-prod-payments-db")}
    return (
        _all(
            Judge.NOBODY,
            BOUND_CREDENTIALS,
            results_s3_of_attacker=_source(
                "s3://fruit/p", ABSENT, resultsUri="s3://attacker-bucket/loot"
            ),
        )
        | _all(
            Judge.SCHEMA,
            s3_endpoint_query=_bucket("s3://b/p?endpoint=http://169.254.169.254"),
            s3_userinfo=_bucket("s3://key:secret@b/p"),
            s3_port=_bucket("s3://169.254.169.254:80/p"),
            s3_ip_bucket=_bucket("s3://169.254.169.254/latest"),
        )
        | _all(
            Judge.NOBODY,
            BOUND_CREDENTIALS,
            s3_attacker=_bucket("s3://attacker-bucket/p"),
            pg_attacker_host=_database(evil, runTemplate=stolen),
        )
        | _all(
            Judge.SCHEMA,
            pg_options_query=_database("postgresql://db/x/public.t?options=-c%20role%3Dpostgres"),
            pg_hostaddr_query=_database("postgresql://db/x/public.t?hostaddr=10.0.0.1"),
            pg_sslkey_query=_database("postgresql://db/x/t?sslkey=/etc/shadow"),
            pg_password=_database("postgresql://u:p@db/x/t"),
            pg_password_query=_database("postgresql://db/x/t?password=1"),
            pg_injection_table=_database('postgresql://db/x/public.t";DROP TABLE y;--'),
            pg_injection_schema=_database("postgresql://db/x/pg_catalog.pg_authid"),
            pg_conninfo_db=_database("postgresql://db/host%3Devil%20dbname%3Dx/t"),
            pg_socket=_database("postgresql://%2Fvar%2Frun/x/t"),
            pg_metadata_address=_database("postgresql://169.254.169.254:80/x/t"),
            pg_decimal_ip=_database("postgresql://2852039166/x/t"),
            pg_ipv6_mapped=_database("postgresql://[::ffff:169.254.169.254]/x/t"),
            pg_two_hosts=_database("postgresql://a,b/x/t"),
            http_table=_bucket("http://169.254.169.254/latest"),
        )
        | _all(Judge.NOBODY, "no backend opens gs:// yet", gs=_bucket("gs://b/p"))
        | _all(
            Judge.SCHEMA,
            env_expansion_in_uri=_bucket("s3://fruit/$(KUBERNETES_SERVICE_HOST)"),
        )
    )


def _names() -> dict[str, Escalation]:
    other = "projects/other/annotationSpecSets/x"
    service_accounts = "../../../../../../api/v1/namespaces/kube-system/serviceaccounts/default"
    return (
        _all(
            Judge.STALLED,
            model_of_other_namespace=_job(modelVersion="projects/kube-system/models/m/versions/v"),
            specset_of_other_namespace=_job(
                annotationSpecSet=other,
                **{CONFIG: {"imageClassificationConfig": {"annotationSpecSet": other}}},
            ),
        )
        | _all(
            Judge.SCHEMA,
            logger_traversal_namespace=_logger("../../victim-ns/inferenceservices/prod-model"),
            logger_traversal_any_kind=_logger(service_accounts),
            logger_list_all_pods=_logger("../../../../../../api/v1/pods"),
            logger_force_query=_logger("x?force=true#"),
            version_foreign_secret=_version(runTemplate={"envFrom": _secret("db-root")}),
            version_envfrom_sampler_tokens=_version(
                runTemplate={"envFrom": _secret("evaluation-sampler-tokens")}
            ),
        )
        | _all(
            Judge.NOT_ALLOWED,
            version_priority=_version(
                runTemplate={
                    "priorityClassName": "system-node-critical",
                    "tolerations": [{"operator": "Exists"}],
                }
            ),
        )
        | _all(
            Judge.SCHEMA,
            version_dataset_traversal=_version(dataset="../../x"),
            version_job_traversal=_version(evaluationJob="../x"),
        )
    )


def _forgeries() -> dict[str, Escalation]:
    status = {"state": "SCHEDULED", "tableDigest": "0" * 64, "intervalDays": 1}
    foreign = {"finalizers": ["evil.example/never"]}
    return (
        _all(
            Judge.NOBODY,
            STATUS_IS_DROPPED,
            status_forged=merged(_job(), {"status": status}),
        )
        | _all(
            Judge.NOBODY,
            OWN_FINALIZER,
            finalizer_own=merged(_job(), {"metadata": foreign}),
        )
        | _all(Judge.RBAC, dataset_forged=make_dataset(), evaluation_forged=make_evaluation())
    )


def _mail() -> dict[str, Escalation]:
    alert = {"email": "a@b.example\nX: y", "minAcceptableMeanAveragePrecision": 0.5}
    return (
        _all(
            Judge.SCHEMA,
            mail_crlf=_people(userEmailAddress="a@b.example\r\nBcc: x@y.example"),
            mail_two=_people(userEmailAddress="a@b.example,d@e.example"),
        )
        | _all(
            Judge.NOT_ALLOWED,
            mail_outside_domain=_people(userEmailAddress="anyone@competitor.example"),
        )
        | _all(
            Judge.SCHEMA,
            mail_comma_local=_people(userEmailAddress="x,victim@corp.example"),
            mail_angle=_people(userEmailAddress="<victim@corp.example>"),
            mail_quote=_people(userEmailAddress='"x@y'),
            mail_percent_relay=_people(userEmailAddress="a%b@corp.example"),
            alert_crlf=_job(**{CONFIG: {"evaluationJobAlertConfig": alert}}),
        )
    )


def _texts() -> dict[str, Escalation]:
    script = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    elements = ("<img src=x onerror=alert(1)>", '"/><Style>*{}</Style>')
    metadata = "http://169.254.169.254/latest/meta-data/iam/"
    return (
        _all(
            Judge.SCHEMA,
            instruction_javascript=make_instruction(
                spec={"pdfInstruction": {"gcsFileUri": "javascript:alert(document.cookie)"}}
            ),
            instruction_metadata_url=make_instruction(
                spec={"pdfInstruction": {"gcsFileUri": metadata}}
            ),
        )
        | _all(
            Judge.NOBODY,
            SHOWN_AS_TEXT,
            instruction_html=make_instruction(spec={"description": script}),
        )
        | _all(
            Judge.SCHEMA, instruction_bidi=make_instruction(spec={"displayName": "\u202egnp.exe"})
        )
        | _all(Judge.NOBODY, SHOWN_AS_TEXT, label_html=make_spec_set(labels=elements))
        | _all(
            Judge.SCHEMA,
            label_control=make_spec_set(labels=("a\0b", "\x1b[31mred")),
            label_group_slash=_people(labelGroup="../x"),
            backend_traversal=merged(make_human_job(), {"spec": {"labeling": {"backend": "../x"}}}),
        )
    )


def _sizes() -> dict[str, Escalation]:
    return _all(
        Judge.SCHEMA,
        schedule_long=_job(schedule="0 10 * * " + "1," * 200 + "1"),
        description_1mb=_job(description="x" * 1_000_000),
        attempts_1mb=_job(attempts=["x" * 1_000_000]),
        affinity_1mb=_template(affinity={"a": "x" * 1_000_000}),
        nested_64=_job(attempts=json.loads("[" * 64 + "]" * 64)),
    )


ESCALATIONS: dict[str, Escalation] = {
    **_accounts_and_images(),
    **_pods(),
    **_special_pods(),
    **_volumes(),
    **_stores(),
    **_names(),
    **_forgeries(),
    **_mail(),
    **_texts(),
    **_sizes(),
}


def judged(manifest: Manifest) -> Judge:
    """Who refuses it, as far as can be told without a cluster: rights are not judged."""
    faults = validate_manifest(manifest, limits=LIMITS)
    if any(fault.reason in ("Schema", "Rule") for fault in faults):
        return Judge.SCHEMA
    if any(fault.reason != "NotAllowed" for fault in faults) or _stalls(manifest, faults):
        return Judge.STALLED
    return Judge.NOT_ALLOWED if faults or _has_foreign_claim(manifest) else Judge.NOBODY


def _stalls(manifest: Manifest, faults: list[Any]) -> bool:
    """An image or an account that is not allowed stalls, as it always has."""
    stalling = ("spec.runTemplate.image", "spec.runTemplate.serviceAccountName")
    return any(fault.field in stalling for fault in faults)


def _has_foreign_claim(manifest: Manifest) -> bool:
    if manifest["kind"] != "EvaluationJob":
        return False
    claim = table_source(EvaluationJob.from_dict(stored(manifest))).volume_claim
    return claim is not None and not is_claim_for_tables(claim, {})


def rendered() -> str:
    """The table: number, manifest, who refuses it or why it does no harm, and whether that holds
    when it is judged now."""
    lines = ["number\tmanifest\trefused by\tharmless because\tholds"]
    for number, (name, case) in enumerate(ESCALATIONS.items(), start=1):
        holds = case.refused_by is Judge.RBAC or judged(case.manifest) is case.refused_by
        fields = (str(number), name, case.refused_by, case.harmless, str(holds).lower())
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        is_stale = not TABLE.exists() or TABLE.read_text(encoding="utf-8") != rendered()
        print(f"{TABLE.name} is {'out of date' if is_stale else 'up to date'}")
        return int(is_stale)
    sys.stdout.write(rendered())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
