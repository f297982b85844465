"""May the job run: its conditions Ready, Reconciling and Stalled."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.domain.explanations.explanation import (
    AGAIN,
    CHECK_AGAIN,
    CHECK_PODS,
    DESCRIBE,
    EDIT,
    LABELER_LOGS,
    OPERATOR_LOGS,
    Explanation,
    Place,
)
from evaluation_operator.domain.reasons import Reason

_READY = (Place.READY, Place.EVENT)
_STALLED = (Place.STALLED, Place.READY, Place.EVENT)

OF_JOBS: Mapping[Reason, Explanation] = {
    Reason.READY: Explanation(
        _READY, "All is there: predictions are sampled and runs start on schedule."
    ),
    Reason.PAUSED: Explanation(
        (Place.READY,),
        "All is there, and `spec.paused` is true: nothing is sampled and no run starts. Runs that "
        "are active finish.",
        "Let it go on when you want to; the grid of its run times has not moved. Where a GitOps "
        "tool applies the job, edit `spec.paused` in its repository instead.",
        ("kubectl evaluations resume JOB -n NAMESPACE",),
        passes=True,
    ),
    Reason.SETTLED: Explanation(
        (Place.RECONCILING, Place.STALLED),
        "The condition is False, and that is good: nothing is under way, or nothing is wrong with "
        "the spec.",
    ),
    Reason.PROGRESSING: Explanation(
        (Place.RECONCILING, Place.VERSION),
        "Something that is missing may still come by itself; `Ready` says what. Of a version: an "
        "older version of the job is numbered first.",
        "See the reason of `Ready`; nothing, if it passes.",
        (DESCRIBE,),
        passes=True,
    ),
    Reason.INVALID_SPEC: Explanation(
        (*_STALLED, Place.VERSION),
        "The spec cannot work, and only an edit helps: a schedule that does not parse or is "
        "shorter than a day, a name of another namespace, an image or a service account that the "
        "operator does not allow. The message has the field, its value and the cure. A version's "
        "spec is immutable, so the version is Failed.",
        "Edit the field that the message names, or make another version. `validate` says on your "
        "laptop what the operator would say.",
        (
            EDIT,
            'kubectl evaluations schedule explain "every 2 days"',
            "kubectl evaluations validate -f FILE",
        ),
    ),
    Reason.MODEL_VERSION_TAKEN: Explanation(
        _STALLED,
        "Another job evaluates this model version, and a model version has one. The message names "
        "that job. This one samples and runs nothing.",
        "Delete one of the two; if it is the other one, this job takes over by itself within "
        "seconds. `spec.modelVersion` is immutable.",
        (
            "kubectl get evj -n NAMESPACE -o wide",
            "kubectl delete evj JOB -n NAMESPACE",
        ),
    ),
    Reason.NOT_ALLOWED: Explanation(
        (Place.READY, Place.RUN, Place.VERSION, Place.EVENT),
        "The job asks for something that the operator's settings do not allow: resources, nodes, "
        "tolerations, priority, a pull Secret, a deadline, a mail domain; or for a volume claim "
        "that is not made for tables. The message names field, value and setting. Sampling goes "
        "on, so no row is lost.",
        "Ask for less, or ask the operator's administrator for the setting (install.md, Settings). "
        "A claim is released by its owner's label.",
        (
            EDIT,
            "kubectl label persistentvolumeclaim CLAIM -n NAMESPACE evaluations.dev/table=true",
            "kubectl set env -n evaluation-operator deployment/evaluation-operator --list",
        ),
    ),
    Reason.SPEC_SET_NOT_FOUND: Explanation(
        _READY,
        "`spec.annotationSpecSet`, the labels that the model can give, is not in the namespace.",
        "Apply it; the job goes on by itself. If its name is wrong: the field is immutable, so "
        "delete and recreate the job.",
        ("kubectl get specset -n NAMESPACE", "kubectl apply -n NAMESPACE -f FILE"),
    ),
    Reason.CLASS_NAMES_UNKNOWN: Explanation(
        _READY,
        "`inputConfig.classNames`, `positiveLabel` or `negativeLabel` names a label that the "
        "AnnotationSpecSet does not have: no answer of the model could be read by it.",
        "Add the label to the set, or write `-` for a class that is no label. If the name is "
        "wrong: the field is immutable, so delete and recreate the job.",
        ("kubectl get specset -n NAMESPACE -o yaml", EDIT),
    ),
    Reason.INSTRUCTION_NOT_FOUND: Explanation(
        _READY,
        "`humanAnnotationConfig.instruction`, what people read who label, is not in the namespace.",
        "Apply it; the job goes on by itself.",
        (
            "kubectl get instructions.evaluations.dev -n NAMESPACE",
            "kubectl apply -n NAMESPACE -f FILE",
        ),
    ),
    Reason.NAMESPACE_NOT_READY: Explanation(
        _READY,
        "The namespace lacks what pods of runs need: the service account that they run as, or the "
        "volume claim of a `file://` table. The message says which. Without it no pod would "
        "appear.",
        "Apply the namespace's part, from a checkout of this repository; it is looked for again "
        "every quarter of a minute.",
        (
            "kubectl apply -n NAMESPACE -k manifests/namespace",
            "kubectl get serviceaccounts,persistentvolumeclaims -n NAMESPACE",
        ),
    ),
    Reason.BACKEND_UNAVAILABLE: Explanation(
        (Place.READY, Place.EVENT, Place.LABELED, Place.RUN),
        "Of `Ready`: nothing here reads tables of that kind (`bq://`, say), or people are to label "
        "and no labeler works in the namespace. Of `Labeled`: the tool that people label with does "
        "not answer, is slow, or answers 429, 5xx or a web page; it is asked again, ever more "
        "rarely.",
        "Table: it is immutable, so recreate the job with a `tableSource` that the message lists. "
        "Labeler: install it, or see why it does not run. Tool: see whether it runs, and whether "
        "`url` in `backends.yaml` is right.",
        (
            "kubectl apply -n NAMESPACE -k manifests/labeler",
            "kubectl get pods -n NAMESPACE -l app.kubernetes.io/name=evaluation-labeler",
            LABELER_LOGS,
        ),
    ),
    Reason.TABLE_CHECKING: Explanation(
        (Place.READY,),
        "A pod looks whether the table is there and has the right columns, and makes a table that "
        "is missing. Runs wait for that; it takes seconds.",
        "Nothing. If it lasts for minutes, see the pod of the check.",
        (CHECK_PODS,),
        passes=True,
    ),
    Reason.TABLE_NOT_CHECKED: Explanation(
        _READY,
        "The pod that would check the table does not start, or died before it could say anything; "
        "the message names the reason. Nothing is known of the table, and nothing is said against "
        "it.",
        "Cure the reason in the message, which has a place of its own here; then have the table "
        "checked at once.",
        (CHECK_PODS, CHECK_AGAIN),
    ),
    Reason.TABLE_INVALID: Explanation(
        (*_READY, Place.POD, Place.ATTEMPT),
        "The table was looked at and is not as it has to be: a column is missing or has another "
        "type, the address is no table, or no Secret is for its server or bucket. The message "
        "names the column or key and the cure. It is checked again after a minute, then ever more "
        "rarely, up to hourly.",
        "Repair the table, or the Secret (install.md, Credentials), then have it checked at once. "
        "Sampling goes on if the table was good before.",
        (CHECK_AGAIN, "kubectl get secrets -n NAMESPACE"),
    ),
    Reason.TABLE_UNAVAILABLE: Explanation(
        (*_READY, Place.POD, Place.ATTEMPT),
        "The table cannot be reached or read now: the server is away, the network says no, the "
        "volume is not there. It is checked again after a minute, then ever more rarely, up to "
        "hourly.",
        "See whether the server answers, and whether the NetworkPolicy `evaluation-runs` lets pods "
        "of runs reach its port; then have it checked at once.",
        (
            CHECK_AGAIN,
            "kubectl describe networkpolicy evaluation-runs -n NAMESPACE",
            CHECK_PODS,
        ),
    ),
    Reason.NAME_CONFLICT: Explanation(
        (Place.READY, Place.VERSION, Place.EVENT),
        "An object of somebody else's has the name that the run needs: the name of a run is its "
        "lock, so no other is taken. The message has the object.",
        "See whose it is; delete it, or recreate your job under another name.",
        ("kubectl get jobs,datasets -n NAMESPACE", AGAIN),
    ),
    Reason.PERMISSION_DENIED: Explanation(
        (Place.READY, Place.LOGGER, Place.VERSION, Place.EVENT),
        "The API server forbids the operator to do what it has to. Of `LoggerManaged`: it may not "
        "write InferenceServices.",
        "Apply the operator's rights again, as an administrator, from a checkout of its version; "
        "for `spec.manageLogger` those of manifests/kserve too. An admission policy or webhook "
        "names itself in the message.",
        (
            "kubectl apply --server-side -k manifests/base",
            "kubectl apply -k manifests/kserve",
            "kubectl auth can-i create jobs -n NAMESPACE "
            "--as=system:serviceaccount:evaluation-operator:evaluation-operator",
        ),
    ),
    Reason.CREATE_REFUSED: Explanation(
        (Place.READY, Place.ATTEMPT, Place.VERSION, Place.EVENT),
        "The API server does not take the run's Dataset or Job: a quota on the number of objects, "
        "an admission policy, or a value that it finds invalid. It is tried again for ten minutes; "
        "then, or at once where it is invalid, the run has failed and its rows go to the next.",
        "The message has the server's words: raise the quota, or have the rule admit the object.",
        (
            "kubectl describe resourcequota -n NAMESPACE",
            "kubectl get validatingadmissionpolicybindings,validatingwebhookconfigurations",
            OPERATOR_LOGS,
        ),
    ),
    Reason.NAMESPACE_TERMINATING: Explanation(
        (Place.READY, Place.VERSION),
        "The namespace is being deleted: what is there goes, and nothing new can be made in it, no "
        "run either.",
        "Nothing, if that is meant: the jobs go with it. If it hangs, its conditions say what it "
        "waits for.",
        ("kubectl describe namespace NAMESPACE", "kubectl get evj,evjv,jobs,pods -n NAMESPACE"),
    ),
    Reason.FUTURE_NOT_BELIEVED: Explanation(
        (Place.EVENT,),
        "A time in the status lies in the future, since somebody wrote it or a clock has jumped. "
        "It is not believed: what the runs that are known bear out is taken instead, and the "
        "message says what that is.",
        "Nothing for the job. See whether the clocks of the operator and the nodes agree, and who "
        "writes statuses by hand.",
        ("date --utc", "kubectl get evj JOB -n NAMESPACE -o yaml --show-managed-fields"),
    ),
    Reason.STATE_NOT_BELIEVED: Explanation(
        (Place.EVENT,),
        "The state of a version says that it has ended, and its run says otherwise: somebody wrote "
        "it. The run is followed on, and the state is what comes out of it.",
        "Nothing for the version: `spec.terminate` ends one that has not begun. See "
        "who writes statuses by hand.",
        ("kubectl get evjv VERSION -n NAMESPACE -o yaml --show-managed-fields",),
    ),
}
