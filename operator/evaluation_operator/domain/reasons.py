"""Every reason that a condition, an attempt or an Event may carry, and what holds a run up."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    # EvaluationJob: Ready
    READY = "Ready"
    PAUSED = "Paused"
    SPEC_SET_NOT_FOUND = "AnnotationSpecSetNotFound"
    CLASS_NAMES_UNKNOWN = "ClassNamesUnknown"
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
    NO_SCORES = "NoScores"

    # EvaluationJob: PredictionsReadable
    ANSWERS_READABLE = "AnswersReadable"
    ANSWERS_UNREADABLE = "AnswersUnreadable"
    SOME_UNREADABLE = "SomeAnswersUnreadable"
    FEW_ANSWERS = "FewAnswers"

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

    # What keeps a run's pod from appearing
    FAILED_CREATE = "FailedCreate"
    SUSPENDED = "Suspended"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    TABLE_NOT_CHECKED = "TableNotChecked"

    # ... from starting
    IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
    ERR_IMAGE_NEVER_PULL = "ErrImageNeverPull"
    INVALID_IMAGE_NAME = "InvalidImageName"
    CREATE_CONTAINER_CONFIG_ERROR = "CreateContainerConfigError"
    CREATE_CONTAINER_ERROR = "CreateContainerError"
    RUN_CONTAINER_ERROR = "RunContainerError"
    FAILED_MOUNT = "FailedMount"
    FAILED_ATTACH_VOLUME = "FailedAttachVolume"
    FAILED_CREATE_POD_SANDBOX = "FailedCreatePodSandBox"

    INIT_CONTAINER_FAILED = "InitContainerFailed"

    # ... from going on
    POD_FAILED = "PodFailed"
    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    POD_LOST = "PodLost"
    POD_WITHOUT_JOB = "PodWithoutJob"

    # ... from ending
    CONTAINER_STILL_RUNNING = "ContainerStillRunning"
    HELD_BY_FINALIZER = "HeldByFinalizer"
    DEADLINE_EXCEEDED = "DeadlineExceeded"

    # Times that cannot be
    FUTURE_NOT_BELIEVED = "FutureNotBelieved"
    STATE_NOT_BELIEVED = "StateNotBelieved"

    # Dataset: Labeled. It is True with the first three, and then the run goes on.
    NOTHING_TO_LABEL = "NothingToLabel"
    ALL_LABELED = "AllLabeled"
    DEADLINE_REACHED = "DeadlineReached"
    BACKEND_REFUSED = "BackendRefused"
    BACKEND_NOT_FOUND = "BackendNotFound"
    RESULTS_UNAVAILABLE = "ResultsUnavailable"
    LABELER_FAILED = "LabelerFailed"

    # The last word of a run's pod
    INTERNAL = "Internal"
    INVALID_RUN = "InvalidRun"
    NOTHING_USABLE = "NothingUsable"
    API_UNAVAILABLE = "ApiUnavailable"
    POD_STOPPED = "PodStopped"

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
