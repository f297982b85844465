"""What keeps the pod of a run or of a table check from appearing, starting, going on or ending.

Most of these words are Kubernetes' own; what is said of them here is what they mean for a run."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.domain.explanations.explanation import (
    AGAIN,
    DESCRIBE,
    EDIT,
    LOGS,
    PODS,
    Explanation,
    Place,
)
from evaluation_operator.domain.reasons import Reason

_SEEN = (Place.RUN, Place.VERSION, Place.ATTEMPT, Place.EVENT)
_WAITS = (Place.RUN, Place.VERSION)

OF_TROUBLES: Mapping[Reason, Explanation] = {
    Reason.QUEUED: Explanation(
        _WAITS,
        "The Job is suspended by a queue, `spec.runTemplate.queueName`, until that has room.",
        "Wait, or see what the queue is full of. Where no Kueue is installed nobody ever lets it "
        "go: leave `queueName` out.",
        (
            "kubectl get workloads -n NAMESPACE",
            "kubectl get localqueues -n NAMESPACE",
            EDIT,
        ),
        passes=True,
    ),
    Reason.SUSPENDED: Explanation(
        _SEEN,
        "Somebody has suspended the Job by hand, or allowed it no pod (`parallelism: 0`), and no "
        "queue is there to let it go.",
        "Let it go on.",
        (
            """kubectl patch job RUN -n NAMESPACE --type=merge -p '{"spec":{"suspend":false}}'""",
            """kubectl patch job RUN -n NAMESPACE --type=merge -p '{"spec":{"parallelism":1}}'""",
        ),
    ),
    Reason.FAILED_CREATE: Explanation(
        _SEEN,
        "Kubernetes may not make the run's pod: a ResourceQuota is used up, a LimitRange forbids "
        "its resources, an admission webhook refuses it or is away, or its service account is "
        "gone. Kubernetes goes on trying until the run's deadline.",
        "The message has the words of whoever refuses, and the cure. Once that is done the pod "
        "appears by itself, at the latest after some minutes.",
        (
            "kubectl describe job RUN -n NAMESPACE",
            "kubectl describe resourcequota,limitrange -n NAMESPACE",
            "kubectl apply -n NAMESPACE -k manifests/namespace",
        ),
    ),
    Reason.STARTING: Explanation(
        _WAITS,
        "The Job or its pod has been made, and the pod is about to start.",
        "Nothing; within a minute another reason takes its place, or the run goes on.",
        (PODS,),
        passes=True,
    ),
    Reason.UNSCHEDULABLE: Explanation(
        _SEEN,
        "No node takes the pod: too little CPU or memory is free, or none has the labels and "
        "taints that `spec.runTemplate` asks for, or its volume claim is not bound.",
        "Make room, or ask for less or for other nodes in `spec.runTemplate` (`resources`, "
        "`nodeSelector`, `tolerations`, `affinity`); a claim says itself what it waits for.",
        (
            "kubectl get events -n NAMESPACE --field-selector reason=FailedScheduling",
            "kubectl describe persistentvolumeclaims -n NAMESPACE",
            EDIT,
            AGAIN,
        ),
    ),
    Reason.IMAGE_PULL_BACK_OFF: Explanation(
        _SEEN,
        "The node cannot pull the image of the run: it is not there, the registry cannot be "
        "reached, or it wants a login. The kubelet goes on trying.",
        "Name an image that can be pulled in `spec.runTemplate.image`, or the registry's Secret in "
        "`spec.runTemplate.imagePullSecrets`. Where the job names none, it is the operator's "
        "EVALUATION_RUN_IMAGE.",
        (
            PODS,
            EDIT,
            AGAIN,
            "kubectl set env -n evaluation-operator deployment/evaluation-operator --list",
        ),
    ),
    Reason.ERR_IMAGE_NEVER_PULL: Explanation(
        _SEEN,
        "The image is not on the node, and EVALUATION_RUN_IMAGE_PULL_POLICY is `Never`.",
        "Load the image into the nodes, or set the policy to `IfNotPresent`.",
        (
            "kubectl set env -n evaluation-operator deployment/evaluation-operator "
            "EVALUATION_RUN_IMAGE_PULL_POLICY=IfNotPresent",
            AGAIN,
        ),
    ),
    Reason.INVALID_IMAGE_NAME: Explanation(
        _SEEN,
        "`spec.runTemplate.image`, or the operator's EVALUATION_RUN_IMAGE, is no name of an image.",
        "Write it like `registry.example/evaluator@sha256:…`.",
        (EDIT, AGAIN),
    ),
    Reason.CREATE_CONTAINER_CONFIG_ERROR: Explanation(
        _SEEN,
        "The container cannot be set up: something that it takes its environment from, a Secret or "
        "a ConfigMap, is not there, or the image wants to run as root, which pods of runs never "
        "do.",
        "The message names it: create it, or take it out of the job.",
        (PODS, "kubectl get secrets -n NAMESPACE", EDIT, AGAIN),
    ),
    Reason.CREATE_CONTAINER_ERROR: Explanation(
        _SEEN,
        "The node cannot make the container, or a container that somebody put into the pod does "
        "not stay up (`CrashLoopBackOff`).",
        "See what the node says; often the pod goes on by itself, or on another node.",
        (PODS, LOGS, AGAIN),
    ),
    Reason.RUN_CONTAINER_ERROR: Explanation(
        _SEEN,
        "The container was made and cannot be started: mostly the image has no such program, or is "
        "made for another kind of processor.",
        "Use the evaluator's image, or one that is built from it.",
        (PODS, EDIT, AGAIN),
    ),
    Reason.FAILED_MOUNT: Explanation(
        _SEEN,
        "The node cannot mount a volume of the pod: a Secret of `spec.runTemplate.envFrom` does "
        "not exist, or the storage behind the claim does not answer.",
        "Create the Secret, or name another; the pod goes on by itself. For a claim, see its "
        "storage.",
        (PODS, "kubectl get secrets,persistentvolumeclaims -n NAMESPACE", EDIT, AGAIN),
    ),
    Reason.FAILED_ATTACH_VOLUME: Explanation(
        _SEEN,
        "The volume cannot be attached to the pod's node, mostly since a ReadWriteOnce volume is "
        "in use on another one, or that node went away with it.",
        "See who has it. If that node is gone for good, delete its VolumeAttachment; else wait for "
        "whoever has it, or use a ReadWriteMany claim.",
        (
            "kubectl describe persistentvolumeclaims -n NAMESPACE",
            "kubectl get volumeattachments",
            "kubectl get pods -n NAMESPACE -o wide",
        ),
    ),
    Reason.FAILED_CREATE_POD_SANDBOX: Explanation(
        _SEEN,
        "The node cannot make the pod's network or its sandbox: its network plugin or container "
        "runtime is in trouble, or has no addresses left.",
        "Nothing in the job: see the node. A Job that is made anew may find another one.",
        (
            "kubectl get nodes",
            PODS,
            AGAIN,
        ),
    ),
    Reason.INIT_CONTAINER_FAILED: Explanation(
        _SEEN,
        "A container that somebody (a service mesh, say) puts in front of the run's has failed, so "
        "the run never began.",
        "See that container's log; keep it out of pods with the label "
        "`app.kubernetes.io/managed-by=evaluation-operator` if runs do not need it.",
        (
            "kubectl logs -n NAMESPACE -l evaluations.dev/dataset=RUN --all-containers --prefix",
            "kubectl get mutatingwebhookconfigurations",
        ),
    ),
    Reason.POD_FAILED: Explanation(
        _SEEN,
        "The run's pod ended with an error and left no word, or is tried again after one that it "
        "has left. The Job tries again, `spec.runTemplate.backoffLimit` times.",
        "See its log.",
        (LOGS, PODS),
    ),
    Reason.OOM_KILLED: Explanation(
        _SEEN,
        "The run needs more memory than its limit, and the kernel has ended it.",
        "Raise the limit, up to the operator's EVALUATION_MAX_RESOURCES. Large row groups in "
        "Parquet files of your own take as much memory as they are large.",
        (
            "kubectl patch evj JOB -n NAMESPACE --type=merge -p "
            """'{"spec":{"runTemplate":{"resources":{"limits":{"memory":"4Gi"}}}}}'""",
            AGAIN,
        ),
    ),
    Reason.EVICTED: Explanation(
        _SEEN,
        "The node has thrown the pod out, for lack of memory or disk, by its priority, or since it "
        "is being drained. The Job makes another, and the run goes on from there; it counts as no "
        "failure.",
        "If it goes on: see what that node lacks, or raise `spec.runTemplate.resources.requests`.",
        (
            "kubectl get nodes",
            "kubectl get events -n NAMESPACE --field-selector reason=Evicted",
            EDIT,
        ),
        passes=True,
    ),
    Reason.POD_LOST: Explanation(
        _SEEN,
        "The pod was told to end a minute ago, and its node has not said that it did; mostly the "
        "node is gone. Until somebody says so no other pod takes its place, since two would write "
        "the same files.",
        "If the node is gone for good, delete it, as clouds do by themselves: within a minute "
        "Kubernetes gives its pods up, and another one begins. To delete the pod by force is not "
        "enough, since the Job goes on waiting for its end.",
        (
            "kubectl get nodes",
            "kubectl get pods -n NAMESPACE -l evaluations.dev/dataset=RUN -o wide",
            "kubectl delete node NODE",
        ),
    ),
    Reason.POD_WITHOUT_JOB: Explanation(
        _SEEN,
        "The run's Job was deleted with `--cascade=orphan`, and its pod goes on. What that "
        "publishes counts; no other Job is made meanwhile, since both would write the same files.",
        "Nothing; or delete the pod, and the run begins again with another Job.",
        ("kubectl delete pod -n NAMESPACE -l evaluations.dev/dataset=RUN",),
    ),
    Reason.CONTAINER_STILL_RUNNING: Explanation(
        _SEEN,
        "The run has ended, and a container that somebody put beside it (a mesh's proxy, say) goes "
        "on, so that the pod never ends. After a minute the run is judged without it.",
        "Have it injected as an init container with `restartPolicy: Always`, or keep it out of "
        "pods with the label `app.kubernetes.io/managed-by=evaluation-operator`.",
        (PODS, "kubectl get mutatingwebhookconfigurations"),
    ),
    Reason.HELD_BY_FINALIZER: Explanation(
        _SEEN,
        "The run's Job was deleted, and somebody's finalizer keeps it, so that no other can take "
        "its name. After ten minutes the run has failed, and its rows go to the next.",
        "See whose finalizer it is, and let that do its work. If it is gone for good, take the "
        "finalizer out.",
        (
            "kubectl get job RUN -n NAMESPACE -o jsonpath='{.metadata.finalizers}'",
            "kubectl patch job RUN -n NAMESPACE --type=merge -p "
            """'{"metadata":{"finalizers":null}}'""",
        ),
    ),
    Reason.DEADLINE_EXCEEDED: Explanation(
        (Place.ATTEMPT, Place.VERSION, Place.EVENT),
        "The run took longer than `spec.runTemplate.activeDeadlineSeconds` (default: 6 hours), "
        "waiting included. What held it up last stands beside it; its rows go to the next run.",
        "Cure what held it up. If nothing did and it only has much to do, give it more time or a "
        "smaller `exampleCount`.",
        (DESCRIBE, EDIT),
    ),
}
