"""Every reason that a condition or an Event of the operator may carry."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    # EvaluationJob: Ready
    READY = "Ready"
    PAUSED = "Paused"
    SPEC_SET_NOT_FOUND = "AnnotationSpecSetNotFound"
    INSTRUCTION_NOT_FOUND = "InstructionNotFound"
    NAMESPACE_NOT_READY = "NamespaceNotReady"
    NOT_ALLOWED = "NotAllowed"
    TABLE_CHECKING = "TableChecking"
    TABLE_INVALID = "TableInvalid"
    TABLE_UNAVAILABLE = "TableUnavailable"
    BACKEND_UNAVAILABLE = "BackendUnavailable"
    NAME_CONFLICT = "NameConflict"
    PERMISSION_DENIED = "PermissionDenied"
    CREATE_REFUSED = "CreateRefused"

    # EvaluationJob: Stalled
    INVALID_SPEC = "InvalidSpec"
    MODEL_VERSION_TAKEN = "ModelVersionTaken"
    PROGRESSING = "Progressing"
    SETTLED = "Settled"

    # EvaluationJob: QualityAcceptable
    QUALITY_ACCEPTABLE = "QualityAcceptable"
    QUALITY_BELOW_THRESHOLD = "QualityBelowThreshold"
    QUALITY_UNKNOWN = "NoMeanAveragePrecision"
    NO_EVALUATION = "NoEvaluation"
    STALE = "Stale"

    # EvaluationJob: SamplerBehind
    REPLICAS_BEHIND = "ReplicasBehind"
    ALL_FLUSHED = "AllFlushed"

    # EvaluationJob: LoggerManaged
    LOGGER_SET = "LoggerSet"
    VERSION_UNKNOWN = "VersionUnknown"
    NOT_OPTED_IN = "NotOptedIn"
    LOGGER_SLOT_TAKEN = "LoggerSlotTaken"
    LOGGER_REFUSED = "LoggerRefused"
    INFERENCE_SERVICE_NOT_FOUND = "InferenceServiceNotFound"
    KSERVE_NOT_FOUND = "KServeNotFound"

    # Runs
    RUN_CREATED = "RunCreated"
    RUN_SUCCEEDED = "RunSucceeded"
    EVALUATION_SUPERSEDED = "EvaluationSuperseded"
    RUN_FAILED = "RunFailed"
    NO_DATA = "NoData"
    NOTHING_TO_COVER = "NothingToCover"
    TOO_MANY_RUNS = "TooManyRuns"
    LABELING = "Labeling"
    LABELING_BEHIND = "LabelingBehind"
    WINDOW_ABANDONED = "WindowAbandoned"
    RUN_MISSING = "RunMissing"
    STOPPED = "Stopped"

    # EvaluationJobVersion
    JOB_NOT_FOUND = "EvaluationJobNotFound"
    JOB_STALLED = "EvaluationJobStalled"
    JOB_NOT_READY = "EvaluationJobNotReady"
    DATASET_NOT_FOUND = "DatasetNotFound"
    UNKNOWN_LABEL = "UnknownLabel"
    QUEUED = "Queued"
    UNSCHEDULABLE = "Unschedulable"
    STARTING = "Starting"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"
    TERMINATE_REFUSED = "TerminateRefused"
