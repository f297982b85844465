"""What one row of the table says of labels: one an item, or several of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.tasks.items import Predicted, RowReader, Truth
from evaluation_operator.tasks.row_json import UnreadableError, object_of, shown


def is_multi_label(spec: DatasetSpec) -> bool:
    metadata = spec.input_configs[0].classification_metadata
    return bool(metadata and metadata.is_multi_label)


class LabelReader(RowReader):
    """Reads rows of a classification."""

    def __init__(
        self, labels: Sequence[str], label_key: str, score_key: str, *, is_multi_label: bool
    ) -> None:
        super().__init__(labels, label_key, score_key)
        self._is_multi_label = is_multi_label

    def read_prediction(self, entry: object) -> Predicted:
        fields = object_of(entry, "raw_prediction")
        labels = self.labels_of(fields, "raw_prediction")
        _refuse_repeats(labels, self.names, "raw_prediction")
        scores = self.scores_of(fields, len(labels))
        best_first = sorted(zip(labels, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
        return Predicted(
            tuple(label for label, _ in best_first), tuple(score for _, score in best_first)
        )

    def read_truth(self, entry: object) -> Truth:
        labels = self.labels_of(object_of(entry, "groundtruth"), "groundtruth")
        _refuse_repeats(labels, self.names, "groundtruth")
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
