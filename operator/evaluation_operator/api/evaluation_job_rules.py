"""What the fields of an EvaluationJob demand of each other, as CEL rules of its CRD.

`self` is the object whose model carries the rules. The functions of CEL's standard library are
all that the rules use, so that the API server and the offline validator judge by the same text.
"""

from __future__ import annotations

from .address_rules import address_rules
from .base import DNS_SUBDOMAIN_TEXT, Rule, immutable
from .table_schemes import NAMED, RESULTS_NAMED

_BOXES = "'IMAGE_BOUNDING_BOX_ANNOTATION'"
_GENERAL = "'GENERAL_CLASSIFICATION_ANNOTATION'"
_IMAGE = "'IMAGE_CLASSIFICATION_ANNOTATION'"
_TEXT = "'TEXT_CLASSIFICATION_ANNOTATION'"
_ANNOTATION_TYPE = "self.inputConfig.annotationType"

SUB_CONFIGS = {
    "imageClassificationConfig": (_IMAGE, _GENERAL),
    "boundingPolyConfig": (_BOXES,),
    "textClassificationConfig": (_TEXT,),
}


def _source_rules() -> tuple[Rule, ...]:
    return (
        Rule(
            rule="!has(self.inputConfig.gcsSource)",
            message="inputConfig.gcsSource is not for evaluation jobs: use bigquerySource, or "
            "tableSource for a table anywhere else",
            field_path=".inputConfig",
            reason="FieldValueForbidden",
        ),
        Rule(
            rule="has(self.inputConfig.bigquerySource) != has(self.inputConfig.tableSource)",
            message="inputConfig must have exactly one of bigquerySource and tableSource: keep the "
            "one that names your table",
            field_path=".inputConfig",
        ),
    )


def _type_rules() -> tuple[Rule, ...]:
    """Which data, sub-config and options belong to which annotationType."""
    data_type = (
        f"({_ANNOTATION_TYPE}.startsWith('IMAGE_') ? 'IMAGE' : "
        f"{_ANNOTATION_TYPE}.startsWith('TEXT_') ? 'TEXT' : 'GENERAL_DATA')"
    )
    one = " + ".join(f"(has(self.{config}) ? 1 : 0)" for config in SUB_CONFIGS)
    sub_configs = tuple(
        Rule(
            rule=f"!has(self.{config}) || {_ANNOTATION_TYPE} in [{', '.join(types)}]",
            message=f"{config} is for {' and '.join(types)}: use the sub-config of your "
            "annotationType".replace("'", ""),
            message_expression=f"'{config} does not go with annotationType ' + {_ANNOTATION_TYPE} "
            f"+ ': it is for {' and '.join(types).replace(chr(39), '')}'",
            field_path=f".{config}",
        )
        for config, types in SUB_CONFIGS.items()
    )
    return (
        Rule(
            rule=f"self.inputConfig.dataType == {data_type}",
            message="inputConfig.dataType does not fit annotationType: IMAGE goes with IMAGE_…, "
            "TEXT with TEXT_… and GENERAL_DATA with GENERAL_CLASSIFICATION_ANNOTATION",
            message_expression="'inputConfig.dataType ' + self.inputConfig.dataType + "
            f"' does not fit annotationType ' + {_ANNOTATION_TYPE} + ': write ' + {data_type}",
            field_path=".inputConfig",
        ),
        Rule(
            rule=f"{one} == 1",
            message="exactly one of imageClassificationConfig (images and general data), "
            "boundingPolyConfig (boxes) and textClassificationConfig (texts) is required: "
            "keep the one of your annotationType",
        ),
        *sub_configs,
    )


def _option_rules() -> tuple[Rule, ...]:
    options = "has(self.evaluationConfig.boundingBoxEvaluationOptions)"
    multi = (
        "(has(self.inputConfig.classificationMetadata) && "
        "self.inputConfig.classificationMetadata.isMultiLabel)"
    )
    return (
        Rule(
            rule=f"{_ANNOTATION_TYPE} == {_BOXES} || has(self.inputConfig.classificationMetadata)",
            message="inputConfig.classificationMetadata is required for classification: add it, "
            "with isMultiLabel",
            field_path=".inputConfig",
            reason="FieldValueRequired",
        ),
        Rule(
            rule=f"{_ANNOTATION_TYPE} != {_BOXES} || {options}",
            message="evaluationConfig.boundingBoxEvaluationOptions is required for boxes: add it, "
            "with iouThreshold",
            field_path=".evaluationConfig",
            reason="FieldValueRequired",
        ),
        Rule(
            rule=f"{_ANNOTATION_TYPE} == {_BOXES} || !{options}",
            message="evaluationConfig.boundingBoxEvaluationOptions is for boxes only: leave "
            "evaluationConfig empty",
            field_path=".evaluationConfig",
            reason="FieldValueForbidden",
        ),
        Rule(
            rule=f"{_ANNOTATION_TYPE} != {_BOXES} || "
            "has(self.bigqueryImportKeys.bounding_box_json_key)",
            message="bigqueryImportKeys.bounding_box_json_key is required for boxes: name the key "
            "of the predicted boxes",
            field_path=".bigqueryImportKeys",
            reason="FieldValueRequired",
        ),
        *(
            Rule(
                rule=f"!has(self.{config}) || (has(self.{config}.allowMultiLabel) && "
                f"self.{config}.allowMultiLabel) == {multi}",
                message=f"{config}.allowMultiLabel (false when absent) differs from "
                "inputConfig.classificationMetadata.isMultiLabel: make them equal",
                field_path=f".{config}",
            )
            for config in ("imageClassificationConfig", "textClassificationConfig")
        ),
        Rule(
            rule="!has(self.humanAnnotationConfig) || self.inputConfig.dataType != 'IMAGE' || "
            "!has(self.humanAnnotationConfig.replicaCount) || "
            "self.humanAnnotationConfig.replicaCount in [1, 3, 5]",
            message="humanAnnotationConfig.replicaCount must be 1, 3 or 5 for images",
            field_path=".humanAnnotationConfig",
        ),
    )


_INPUT_FIELDS = {
    "dataType": True,
    "annotationType": True,
    "classificationMetadata": False,
    "bigquerySource": False,
    "gcsSource": False,
    "tableSource": False,
    "textMetadata": False,
}
"""Of inputConfig, and whether it has to be there."""
_ADDED_INPUT_FIELDS = (
    "classNames",
    "positiveLabel",
    "negativeLabel",
    "itemsPerRequest",
    "boxFormat",
)
_KEYS = {
    "data_json_key": False,
    "reference_json_key": False,
    "label_json_key": True,
    "label_score_json_key": True,
    "bounding_box_json_key": False,
}


def _kept_fields(parent: str, kept: dict[str, bool], added: tuple[str, ...]) -> tuple[Rule, ...]:
    """Fields that never change, and those that may be added to a job that has none."""

    def same(name: str) -> str:
        return f"self.{parent}.{name} == oldSelf.{parent}.{name}"

    def has(name: str) -> str:
        return f"has(self.{parent}.{name})"

    whole = [
        same(name)
        if is_required
        else f"{has(name)} == has(oldSelf.{parent}.{name}) && (!{has(name)} || {same(name)})"
        for name, is_required in kept.items()
    ]
    return (
        Rule(
            rule=" && ".join(f"({it})" for it in whole),
            message=f"{parent} is immutable, but for adding {', '.join(added)}: delete and "
            "recreate the EvaluationJob",
            field_path=f".{parent}",
            reason="FieldValueForbidden",
        ),
        *(
            Rule(
                rule=f"!has(oldSelf.{parent}.{name}) || ({has(name)} && {same(name)})",
                message=f"{parent}.{name} may be added, and is immutable then: delete and recreate "
                "the EvaluationJob",
                field_path=f".{parent}",
                reason="FieldValueForbidden",
            )
            for name in added
        ),
    )


def _answer_rules() -> tuple[Rule, ...]:
    """Which of the fields that say how a model answers go together."""
    pair = ("self.inputConfig.positiveLabel", "self.inputConfig.negativeLabel")
    return (
        Rule(
            rule=f"has({pair[0]}) == has({pair[1]}) && (!has({pair[0]}) || {pair[0]} != {pair[1]})",
            message="inputConfig.positiveLabel and negativeLabel go together, and differ: give "
            "both or none",
            field_path=".inputConfig",
        ),
        Rule(
            rule=f"{_ANNOTATION_TYPE} != {_BOXES} || !has({pair[0]})",
            message="inputConfig.positiveLabel is for classification only: leave it out",
            field_path=".inputConfig",
            reason="FieldValueForbidden",
        ),
        Rule(
            rule=f"{_ANNOTATION_TYPE} == {_BOXES} || (!has(self.inputConfig.boxFormat) && "
            "!has(self.bigqueryImportKeys.bounding_box_count_json_key))",
            message="inputConfig.boxFormat and bigqueryImportKeys.bounding_box_count_json_key are "
            "for boxes only: leave them out",
            reason="FieldValueForbidden",
        ),
    )


def _config_identity_rules() -> tuple[Rule, ...]:
    same = " && ".join(f"has(self.{name}) == has(oldSelf.{name})" for name in SUB_CONFIGS)
    return (
        *_kept_fields("inputConfig", _INPUT_FIELDS, _ADDED_INPUT_FIELDS),
        *_kept_fields("bigqueryImportKeys", _KEYS, ("bounding_box_count_json_key",)),
        Rule(
            rule=same,
            message="which of imageClassificationConfig, boundingPolyConfig and "
            "textClassificationConfig is used is immutable: delete and recreate the EvaluationJob",
            reason="FieldValueForbidden",
        ),
    )


def _table_rules() -> tuple[Rule, ...]:
    """Of jobs alone: a Dataset has a copy of what its job had when it was admitted."""
    return address_rules(
        "inputConfig.tableSource.inputUri",
        where="has(self.inputConfig.tableSource)",
        schemes=NAMED,
    )


CONFIG_RULES = (
    *_source_rules(),
    *_table_rules(),
    *_type_rules(),
    *_option_rules(),
    *_answer_rules(),
    *_config_identity_rules(),
)


def _labelling_rules() -> tuple[Rule, ...]:
    human = "has(self.evaluationJobConfig.humanAnnotationConfig)"
    return (
        Rule(
            rule=f"!self.labelMissingGroundTruth || {human}",
            message="evaluationJobConfig.humanAnnotationConfig is required because "
            "labelMissingGroundTruth is true: add it, or set labelMissingGroundTruth to false and "
            "put the ground truth into the table yourself",
            field_path=".evaluationJobConfig",
            reason="FieldValueRequired",
        ),
        Rule(
            rule=f"self.labelMissingGroundTruth || !{human}",
            message="evaluationJobConfig.humanAnnotationConfig has no effect because "
            "labelMissingGroundTruth is false: leave it out, or set labelMissingGroundTruth to "
            "true",
            field_path=".evaluationJobConfig",
            reason="FieldValueForbidden",
        ),
        Rule(
            rule="!self.labelMissingGroundTruth || "
            f"self.evaluationJobConfig.inputConfig.annotationType != {_GENERAL}",
            message="labelMissingGroundTruth must be false: people cannot label "
            "GENERAL_CLASSIFICATION_ANNOTATION, so put the ground truth into the table yourself",
            field_path=".labelMissingGroundTruth",
        ),
    )


def _spec_set_rule(config: str) -> Rule:
    """The two forms of a name, with and without projects/…/, name the same set."""
    mine, jobs = f"self.evaluationJobConfig.{config}.annotationSpecSet", "self.annotationSpecSet"
    return Rule(
        rule=f"!has(self.evaluationJobConfig.{config}) || {mine} == {jobs} || "
        f"{mine}.endsWith('/' + {jobs}) || {jobs}.endsWith('/' + {mine})",
        message=f"evaluationJobConfig.{config}.annotationSpecSet differs from the job's "
        "annotationSpecSet: make them equal",
        message_expression=f"'evaluationJobConfig.{config}.annotationSpecSet is ' + {mine} + "
        f"' but the job has annotationSpecSet ' + {jobs} + ': make them equal'",
        field_path=".evaluationJobConfig",
    )


def _results_rules() -> tuple[Rule, ...]:
    table = "self.evaluationJobConfig.inputConfig.tableSource"
    on_volume = (
        f"((has({table}) && {table}.inputUri.startsWith('file:')) || "
        "(has(self.resultsUri) && self.resultsUri.startsWith('file:')))"
    )
    claimed = f"(has({table}) && has({table}.persistentVolumeClaimName))"
    return (
        Rule(
            rule=f"has(self.resultsUri) || !has({table}) || "
            f"!{table}.inputUri.matches('^(postgresql|clickhouse):')",
            message="resultsUri is required because the table is a database: name a folder for "
            "results, like s3://BUCKET/FOLDER",
            reason="FieldValueRequired",
        ),
        *address_rules("resultsUri", where="has(self.resultsUri)", schemes=RESULTS_NAMED),
        Rule(
            rule=f"{claimed} || !{on_volume}",
            message="evaluationJobConfig.inputConfig.tableSource.persistentVolumeClaimName is "
            "required because inputUri or resultsUri is a file:// address: name the volume claim "
            "that holds the files",
            field_path=".evaluationJobConfig",
            reason="FieldValueRequired",
        ),
        Rule(
            rule=f"{on_volume} || !{claimed}",
            message="evaluationJobConfig.inputConfig.tableSource.persistentVolumeClaimName has no "
            "effect because neither inputUri nor resultsUri is a file:// address: leave it out",
            field_path=".evaluationJobConfig",
            reason="FieldValueForbidden",
        ),
    )


_SERVICE = "self.modelSelector['inferenceservicename']"
_SELECTOR_RULE = Rule(
    rule="!has(self.modelSelector) || !('inferenceservicename' in self.modelSelector) || "
    f"{_SERVICE}.matches('^{DNS_SUBDOMAIN_TEXT}$')",
    message="modelSelector.inferenceservicename must be the name of an InferenceService: "
    "lower-case letters, digits, - and . between them",
    message_expression=f"'modelSelector.inferenceservicename ' + {_SERVICE} + ' must be the name "
    "of an InferenceService: lower-case letters, digits, - and . between them'",
    field_path=".modelSelector",
)

SPEC_RULES = (
    immutable("modelVersion"),
    immutable("annotationSpecSet"),
    immutable("labelMissingGroundTruth"),
    Rule(
        rule="(has(self.boundingBoxUnits) ? self.boundingBoxUnits : 'PIXELS') == "
        "(has(oldSelf.boundingBoxUnits) ? oldSelf.boundingBoxUnits : 'PIXELS')",
        message="boundingBoxUnits (PIXELS when absent) is immutable: delete and recreate the "
        "EvaluationJob",
        reason="FieldValueForbidden",
    ),
    _SELECTOR_RULE,
    *_labelling_rules(),
    *(_spec_set_rule(config) for config in SUB_CONFIGS),
    *_results_rules(),
    Rule(
        rule="!has(self.labelDelay) || duration(self.labelDelay) <= duration('2160h')",
        message="labelDelay is at most 2160h (90 days)",
        message_expression="'labelDelay ' + self.labelDelay + ' is more than 2160h (90 days)'",
        field_path=".labelDelay",
    ),
)
