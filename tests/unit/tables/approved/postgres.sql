-- all rows of others
SELECT
  *
FROM (
  SELECT
    "t3"."model",
    "t3"."model_version",
    "t3"."time",
    "t3"."raw_data",
    "t3"."raw_prediction",
    "t3"."groundtruth",
    CASE
      WHEN (
        "t3"."id" IS NULL
      ) AND (
        "t3"."ordinal" > 0
      )
      THEN "t3"."digest" || '-' || CAST("t3"."ordinal" AS VARCHAR)
      ELSE "t3"."digest"
    END AS "id",
    "t3"."priority",
    "t3"."p",
    "t3"."example_count",
    "t3"."example_sample_percentage",
    "t3"."sampled_at",
    "t3"."interval_start",
    "t3"."job_uid",
    CAST(NULL AS TIMESTAMPTZ(6)) AS "labeled_at",
    "t3"."is_inside"
  FROM (
    SELECT
      "t2"."model",
      "t2"."model_version",
      "t2"."time",
      "t2"."raw_data",
      "t2"."raw_prediction",
      "t2"."groundtruth",
      "t2"."id",
      "t2"."priority",
      "t2"."p",
      "t2"."example_count",
      "t2"."example_sample_percentage",
      "t2"."sampled_at",
      "t2"."interval_start",
      "t2"."job_uid",
      "t2"."is_inside",
      "t2"."digest",
      ROW_NUMBER() OVER (
        PARTITION BY "t2"."digest"
        ORDER BY CONVERT_TO("t2"."groundtruth", 'UTF8') ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1 AS "ordinal"
    FROM (
      SELECT
        "t1"."model",
        "t1"."model_version",
        "t1"."time",
        "t1"."raw_data",
        "t1"."raw_prediction",
        "t1"."groundtruth",
        "t1"."id",
        "t1"."priority",
        "t1"."p",
        "t1"."example_count",
        "t1"."example_sample_percentage",
        "t1"."sampled_at",
        "t1"."interval_start",
        "t1"."job_uid",
        "t1"."is_inside",
        COALESCE(
          "t1"."id",
          SUBSTRING(ENCODE(
            SHA256(
              CONVERT_TO(
                COALESCE(CAST(LENGTH("t1"."model") AS VARCHAR) || ':' || "t1"."model", '~') || COALESCE(CAST(LENGTH("t1"."model_version") AS VARCHAR) || ':' || "t1"."model_version", '~') || COALESCE(
                  CAST(LENGTH(
                    CAST((
                      CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
                    ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR)
                  ) AS VARCHAR) || ':' || CAST((
                    CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
                  ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR),
                  '~'
                ) || COALESCE(CAST(LENGTH("t1"."raw_data") AS VARCHAR) || ':' || "t1"."raw_data", '~') || COALESCE(
                  CAST(LENGTH("t1"."raw_prediction") AS VARCHAR) || ':' || "t1"."raw_prediction",
                  '~'
                ),
                'UTF8'
              )
            ),
            'hex'
          ) FROM CASE
            WHEN (
              0 + 1
            ) >= 1
            THEN 0 + 1
            ELSE 0 + 1 + LENGTH(
              ENCODE(
                SHA256(
                  CONVERT_TO(
                    COALESCE(CAST(LENGTH("t1"."model") AS VARCHAR) || ':' || "t1"."model", '~') || COALESCE(CAST(LENGTH("t1"."model_version") AS VARCHAR) || ':' || "t1"."model_version", '~') || COALESCE(
                      CAST(LENGTH(
                        CAST((
                          CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
                        ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR)
                      ) AS VARCHAR) || ':' || CAST((
                        CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
                      ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR),
                      '~'
                    ) || COALESCE(CAST(LENGTH("t1"."raw_data") AS VARCHAR) || ':' || "t1"."raw_data", '~') || COALESCE(
                      CAST(LENGTH("t1"."raw_prediction") AS VARCHAR) || ':' || "t1"."raw_prediction",
                      '~'
                    ),
                    'UTF8'
                  )
                ),
                'hex'
              )
            )
          END FOR 32)
        ) AS "digest"
      FROM (
        SELECT
          "t0"."model",
          "t0"."model_version",
          "t0"."time",
          "t0"."raw_data",
          "t0"."raw_prediction",
          "t0"."groundtruth",
          "t0"."id",
          "t0"."priority",
          "t0"."p",
          "t0"."example_count",
          "t0"."example_sample_percentage",
          "t0"."sampled_at",
          "t0"."interval_start",
          "t0"."job_uid",
          TRUE AS "is_inside"
        FROM "r" AS "t0"
        WHERE
          "t0"."model" = 'ripeness' AND "t0"."model_version" = 'v1'
      ) AS "t1"
    ) AS "t2"
  ) AS "t3"
) AS "t4"
ORDER BY
  CONVERT_TO("t4"."id", 'UTF8') ASC,
  "t4"."time" ASC;

-- rows, halves and labels of some times
SELECT
  *
FROM (
  SELECT
    "t20"."model",
    "t20"."model_version",
    "t20"."time",
    "t20"."raw_data",
    "t20"."raw_prediction",
    COALESCE("t20"."label", "t20"."groundtruth") AS "groundtruth",
    "t20"."id",
    "t20"."priority",
    "t20"."p",
    "t20"."example_count",
    "t20"."example_sample_percentage",
    "t20"."sampled_at",
    "t20"."interval_start",
    "t20"."job_uid",
    "t20"."labeled_at",
    "t20"."is_inside"
  FROM (
    SELECT
      "t19"."model",
      "t19"."model_version",
      "t19"."time",
      "t19"."raw_data",
      "t19"."raw_prediction",
      "t19"."groundtruth",
      "t19"."id",
      "t19"."priority",
      "t19"."p",
      "t19"."example_count",
      "t19"."example_sample_percentage",
      "t19"."sampled_at",
      "t19"."interval_start",
      "t19"."job_uid",
      "t19"."is_inside",
      "t11"."label_id",
      "t11"."label",
      "t11"."labeled_at"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t0"."model",
          "t0"."model_version",
          "t0"."time",
          "t0"."raw_data",
          "t0"."raw_prediction",
          "t0"."groundtruth",
          "t0"."id",
          "t0"."priority",
          "t0"."p",
          "t0"."example_count",
          "t0"."example_sample_percentage",
          "t0"."sampled_at",
          "t0"."interval_start",
          "t0"."job_uid",
          (
            (
              COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
            )
            AND (
              COALESCE("t0"."sampled_at", "t0"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
            )
          )
          OR (
            COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
          ) AS "is_inside"
        FROM "r" AS "t0"
        WHERE
          "t0"."model" = 'ripeness'
          AND "t0"."model_version" = 'v1'
          AND (
            (
              (
                COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              AND (
                COALESCE("t0"."sampled_at", "t0"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
            )
            OR (
              COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
            )
            OR (
              (
                COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              AND (
                COALESCE("t0"."sampled_at", "t0"."time") < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
            )
          )
          AND NOT (
            COALESCE(
              (
                "t0"."sampled_at" IS NULL
              )
              AND (
                (
                  "t0"."time" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
                AND (
                  "t0"."time" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
              ),
              FALSE
            )
          )
      ) AS "t6"
      UNION ALL
      SELECT
        *
      FROM (
        SELECT
          "t16"."model",
          "t16"."model_version",
          "t16"."time",
          "t16"."raw_data",
          "t16"."raw_prediction",
          "t16"."groundtruth",
          "t16"."id",
          "t16"."priority",
          "t16"."p",
          "t16"."example_count",
          "t16"."example_sample_percentage",
          "t16"."sampled_at",
          "t16"."interval_start",
          "t16"."job_uid",
          (
            (
              COALESCE("t16"."sampled_at", "t16"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
            )
            AND (
              COALESCE("t16"."sampled_at", "t16"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
            )
          )
          OR (
            COALESCE("t16"."sampled_at", "t16"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
          ) AS "is_inside"
        FROM (
          SELECT
            "t14"."model",
            "t14"."model_version",
            "t14"."time",
            "t14"."raw_data",
            "t15"."other_raw_prediction" AS "raw_prediction",
            CAST(NULL AS VARCHAR) AS "groundtruth",
            "t14"."id",
            LEAST("t14"."priority", "t15"."other_priority") AS "priority",
            LEAST("t14"."p", "t15"."other_p") AS "p",
            LEAST("t14"."example_count", "t15"."other_example_count") AS "example_count",
            LEAST("t14"."example_sample_percentage", "t15"."other_example_sample_percentage") AS "example_sample_percentage",
            GREATEST("t14"."sampled_at", "t15"."other_sampled_at") AS "sampled_at",
            CASE
              WHEN "t14"."sampled_at" > "t15"."other_sampled_at"
              THEN "t14"."interval_start"
              ELSE "t15"."other_interval_start"
            END AS "interval_start",
            "t14"."job_uid"
          FROM (
            SELECT
              *
            FROM (
              SELECT
                "t4"."model",
                "t4"."model_version",
                "t4"."time",
                "t4"."raw_data",
                "t4"."raw_prediction",
                "t4"."id",
                "t4"."priority",
                "t4"."p",
                "t4"."example_count",
                "t4"."example_sample_percentage",
                "t4"."sampled_at",
                "t4"."interval_start",
                "t4"."job_uid",
                "t4"."item_count",
                ROW_NUMBER() OVER (
                  PARTITION BY "t4"."job_uid", "t4"."id", "t4"."item_count"
                  ORDER BY "t4"."sampled_at" ASC, CONVERT_TO("t4"."raw_data", 'UTF8') ASC
                  ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                ) - 1 AS "place"
              FROM (
                SELECT
                  *
                FROM "h" AS "t2"
                WHERE
                  "t2"."model" = 'ripeness'
                  AND "t2"."model_version" = 'v1'
                  AND (
                    (
                      (
                        "t2"."sampled_at" >= CAST('2026-03-01T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                      AND (
                        "t2"."sampled_at" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                    )
                    OR (
                      "t2"."sampled_at" >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                    )
                    OR (
                      (
                        "t2"."sampled_at" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                      AND (
                        "t2"."sampled_at" < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                    )
                  )
                  AND "t2"."raw_data" IS NOT NULL
              ) AS "t4"
            ) AS "t8"
            WHERE
              "t8"."place" = 0
          ) AS "t14"
          INNER JOIN (
            SELECT
              "t9"."model" AS "other_model",
              "t9"."model_version" AS "other_model_version",
              "t9"."time" AS "other_time",
              "t9"."raw_data" AS "other_raw_data",
              "t9"."raw_prediction" AS "other_raw_prediction",
              "t9"."id" AS "other_id",
              "t9"."priority" AS "other_priority",
              "t9"."p" AS "other_p",
              "t9"."example_count" AS "other_example_count",
              "t9"."example_sample_percentage" AS "other_example_sample_percentage",
              "t9"."sampled_at" AS "other_sampled_at",
              "t9"."interval_start" AS "other_interval_start",
              "t9"."job_uid" AS "other_job_uid",
              "t9"."item_count" AS "other_item_count",
              "t9"."place" AS "other_place"
            FROM (
              SELECT
                "t5"."model",
                "t5"."model_version",
                "t5"."time",
                "t5"."raw_data",
                "t5"."raw_prediction",
                "t5"."id",
                "t5"."priority",
                "t5"."p",
                "t5"."example_count",
                "t5"."example_sample_percentage",
                "t5"."sampled_at",
                "t5"."interval_start",
                "t5"."job_uid",
                "t5"."item_count",
                ROW_NUMBER() OVER (
                  PARTITION BY "t5"."job_uid", "t5"."id", "t5"."item_count"
                  ORDER BY "t5"."sampled_at" ASC, CONVERT_TO("t5"."raw_prediction", 'UTF8') ASC
                  ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                ) - 1 AS "place"
              FROM (
                SELECT
                  *
                FROM "h" AS "t2"
                WHERE
                  "t2"."model" = 'ripeness'
                  AND "t2"."model_version" = 'v1'
                  AND (
                    (
                      (
                        "t2"."sampled_at" >= CAST('2026-03-01T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                      AND (
                        "t2"."sampled_at" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                    )
                    OR (
                      "t2"."sampled_at" >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                    )
                    OR (
                      (
                        "t2"."sampled_at" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                      AND (
                        "t2"."sampled_at" < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                    )
                  )
                  AND "t2"."raw_prediction" IS NOT NULL
              ) AS "t5"
            ) AS "t9"
            WHERE
              "t9"."place" = 0
          ) AS "t15"
            ON "t14"."job_uid" = "t15"."other_job_uid"
            AND "t14"."id" = "t15"."other_id"
            AND "t14"."item_count" = "t15"."other_item_count"
        ) AS "t16"
        WHERE
          "t16"."model" = 'ripeness'
          AND "t16"."model_version" = 'v1'
          AND (
            (
              (
                COALESCE("t16"."sampled_at", "t16"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              AND (
                COALESCE("t16"."sampled_at", "t16"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
            )
            OR (
              COALESCE("t16"."sampled_at", "t16"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
            )
            OR (
              (
                COALESCE("t16"."sampled_at", "t16"."time") >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              AND (
                COALESCE("t16"."sampled_at", "t16"."time") < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
            )
          )
          AND NOT (
            COALESCE(
              (
                "t16"."sampled_at" IS NULL
              )
              AND (
                (
                  "t16"."time" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
                AND (
                  "t16"."time" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
              ),
              FALSE
            )
          )
      ) AS "t17"
    ) AS "t19"
    LEFT OUTER JOIN (
      SELECT
        "t7"."id" AS "label_id",
        "t7"."groundtruth" AS "label",
        "t7"."labeled_at"
      FROM (
        SELECT
          "t3"."id",
          "t3"."groundtruth",
          "t3"."labeled_at",
          "t3"."labeler",
          "t3"."model",
          "t3"."model_version",
          ROW_NUMBER() OVER (
            PARTITION BY "t3"."id"
            ORDER BY "t3"."labeled_at" DESC NULLS LAST, CONVERT_TO("t3"."groundtruth", 'UTF8') DESC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) - 1 AS "place"
        FROM (
          SELECT
            *
          FROM "l" AS "t1"
          WHERE
            "t1"."groundtruth" IS NOT NULL
            AND (
              (
                "t1"."model" IS NULL
              ) OR (
                "t1"."model" = 'ripeness'
              )
            )
            AND (
              (
                "t1"."model_version" IS NULL
              ) OR (
                "t1"."model_version" = 'v1'
              )
            )
            AND "t1"."labeled_at" <= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
        ) AS "t3"
      ) AS "t7"
      WHERE
        "t7"."place" = 0
    ) AS "t11"
      ON "t19"."id" = "t11"."label_id"
  ) AS "t20"
) AS "t21"
ORDER BY
  CONVERT_TO("t21"."id", 'UTF8') ASC,
  "t21"."time" ASC;

-- their truth
SELECT
  *
FROM (
  SELECT DISTINCT
    "t14"."id",
    COALESCE("t14"."label", "t14"."groundtruth") AS "groundtruth",
    "t14"."labeled_at"
  FROM (
    SELECT
      "t13"."id",
      "t13"."groundtruth",
      "t8"."label_id",
      "t8"."label",
      "t8"."labeled_at"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          CASE
            WHEN (
              "t10"."id" IS NULL
            ) AND (
              "t10"."ordinal" > 0
            )
            THEN "t10"."digest" || '-' || CAST("t10"."ordinal" AS VARCHAR)
            ELSE "t10"."digest"
          END AS "id",
          "t10"."groundtruth"
        FROM (
          SELECT
            "t9"."model",
            "t9"."model_version",
            "t9"."time",
            "t9"."raw_data",
            "t9"."raw_prediction",
            "t9"."groundtruth",
            "t9"."id",
            "t9"."priority",
            "t9"."p",
            "t9"."example_count",
            "t9"."example_sample_percentage",
            "t9"."sampled_at",
            "t9"."interval_start",
            "t9"."job_uid",
            "t9"."is_inside",
            "t9"."digest",
            ROW_NUMBER() OVER (
              PARTITION BY "t9"."digest"
              ORDER BY CONVERT_TO("t9"."groundtruth", 'UTF8') ASC
              ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ) - 1 AS "ordinal"
          FROM (
            SELECT
              "t5"."model",
              "t5"."model_version",
              "t5"."time",
              "t5"."raw_data",
              "t5"."raw_prediction",
              "t5"."groundtruth",
              "t5"."id",
              "t5"."priority",
              "t5"."p",
              "t5"."example_count",
              "t5"."example_sample_percentage",
              "t5"."sampled_at",
              "t5"."interval_start",
              "t5"."job_uid",
              "t5"."is_inside",
              COALESCE(
                "t5"."id",
                SUBSTRING(ENCODE(
                  SHA256(
                    CONVERT_TO(
                      COALESCE(CAST(LENGTH("t5"."model") AS VARCHAR) || ':' || "t5"."model", '~') || COALESCE(CAST(LENGTH("t5"."model_version") AS VARCHAR) || ':' || "t5"."model_version", '~') || COALESCE(
                        CAST(LENGTH(
                          CAST((
                            CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t5"."time")) AS BIGINT) * 1000000
                          ) + CAST(EXTRACT('microsecond' FROM "t5"."time") % 1000000 AS BIGINT) AS VARCHAR)
                        ) AS VARCHAR) || ':' || CAST((
                          CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t5"."time")) AS BIGINT) * 1000000
                        ) + CAST(EXTRACT('microsecond' FROM "t5"."time") % 1000000 AS BIGINT) AS VARCHAR),
                        '~'
                      ) || COALESCE(CAST(LENGTH("t5"."raw_data") AS VARCHAR) || ':' || "t5"."raw_data", '~') || COALESCE(
                        CAST(LENGTH("t5"."raw_prediction") AS VARCHAR) || ':' || "t5"."raw_prediction",
                        '~'
                      ),
                      'UTF8'
                    )
                  ),
                  'hex'
                ) FROM CASE
                  WHEN (
                    0 + 1
                  ) >= 1
                  THEN 0 + 1
                  ELSE 0 + 1 + LENGTH(
                    ENCODE(
                      SHA256(
                        CONVERT_TO(
                          COALESCE(CAST(LENGTH("t5"."model") AS VARCHAR) || ':' || "t5"."model", '~') || COALESCE(CAST(LENGTH("t5"."model_version") AS VARCHAR) || ':' || "t5"."model_version", '~') || COALESCE(
                            CAST(LENGTH(
                              CAST((
                                CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t5"."time")) AS BIGINT) * 1000000
                              ) + CAST(EXTRACT('microsecond' FROM "t5"."time") % 1000000 AS BIGINT) AS VARCHAR)
                            ) AS VARCHAR) || ':' || CAST((
                              CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t5"."time")) AS BIGINT) * 1000000
                            ) + CAST(EXTRACT('microsecond' FROM "t5"."time") % 1000000 AS BIGINT) AS VARCHAR),
                            '~'
                          ) || COALESCE(CAST(LENGTH("t5"."raw_data") AS VARCHAR) || ':' || "t5"."raw_data", '~') || COALESCE(
                            CAST(LENGTH("t5"."raw_prediction") AS VARCHAR) || ':' || "t5"."raw_prediction",
                            '~'
                          ),
                          'UTF8'
                        )
                      ),
                      'hex'
                    )
                  )
                END FOR 32)
              ) AS "digest"
            FROM (
              SELECT
                "t2"."model",
                "t2"."model_version",
                "t2"."time",
                "t2"."raw_data",
                "t2"."raw_prediction",
                "t2"."groundtruth",
                "t2"."id",
                "t2"."priority",
                "t2"."p",
                "t2"."example_count",
                "t2"."example_sample_percentage",
                "t2"."sampled_at",
                "t2"."interval_start",
                "t2"."job_uid",
                (
                  (
                    COALESCE("t2"."sampled_at", "t2"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                  )
                  AND (
                    COALESCE("t2"."sampled_at", "t2"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                  )
                )
                OR (
                  COALESCE("t2"."sampled_at", "t2"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
                ) AS "is_inside"
              FROM "r" AS "t2"
              WHERE
                "t2"."model" = 'ripeness'
                AND "t2"."model_version" = 'v1'
                AND (
                  (
                    (
                      COALESCE("t2"."sampled_at", "t2"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                    )
                    AND (
                      COALESCE("t2"."sampled_at", "t2"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                    )
                  )
                  OR (
                    COALESCE("t2"."sampled_at", "t2"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
                  )
                  OR (
                    (
                      COALESCE("t2"."sampled_at", "t2"."time") >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                    )
                    AND (
                      COALESCE("t2"."sampled_at", "t2"."time") < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
                    )
                  )
                )
                AND NOT (
                  COALESCE(
                    (
                      "t2"."sampled_at" IS NULL
                    )
                    AND (
                      (
                        "t2"."time" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                      AND (
                        "t2"."time" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                      )
                    ),
                    FALSE
                  )
                )
            ) AS "t5"
          ) AS "t9"
        ) AS "t10"
        WHERE
          "t10"."is_inside"
      ) AS "t11"
      UNION ALL
      SELECT
        *
      FROM (
        SELECT
          "t0"."id",
          CAST(NULL AS VARCHAR) AS "groundtruth"
        FROM "h" AS "t0"
        WHERE
          "t0"."model" = 'ripeness'
          AND "t0"."model_version" = 'v1'
          AND (
            (
              (
                "t0"."sampled_at" >= CAST('2026-03-01T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              AND (
                "t0"."sampled_at" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
            )
            OR (
              "t0"."sampled_at" >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
            )
            OR (
              (
                "t0"."sampled_at" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              AND (
                "t0"."sampled_at" < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
            )
          )
      ) AS "t4"
    ) AS "t13"
    LEFT OUTER JOIN (
      SELECT
        "t6"."id" AS "label_id",
        "t6"."groundtruth" AS "label",
        "t6"."labeled_at"
      FROM (
        SELECT
          "t3"."id",
          "t3"."groundtruth",
          "t3"."labeled_at",
          "t3"."labeler",
          "t3"."model",
          "t3"."model_version",
          ROW_NUMBER() OVER (
            PARTITION BY "t3"."id"
            ORDER BY "t3"."labeled_at" DESC NULLS LAST, CONVERT_TO("t3"."groundtruth", 'UTF8') DESC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) - 1 AS "place"
        FROM (
          SELECT
            *
          FROM "l" AS "t1"
          WHERE
            "t1"."groundtruth" IS NOT NULL
            AND (
              (
                "t1"."model" IS NULL
              ) OR (
                "t1"."model" = 'ripeness'
              )
            )
            AND (
              (
                "t1"."model_version" IS NULL
              ) OR (
                "t1"."model_version" = 'v1'
              )
            )
            AND "t1"."labeled_at" <= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
        ) AS "t3"
      ) AS "t6"
      WHERE
        "t6"."place" = 0
    ) AS "t8"
      ON "t13"."id" = "t8"."label_id"
  ) AS "t14"
) AS "t15"
ORDER BY
  CONVERT_TO("t15"."id", 'UTF8') ASC,
  CONVERT_TO("t15"."groundtruth", 'UTF8') ASC;

-- the truth of all
SELECT
  *
FROM (
  SELECT DISTINCT
    "t8"."id",
    COALESCE("t8"."label", "t8"."groundtruth") AS "groundtruth",
    "t8"."labeled_at"
  FROM (
    SELECT
      "t3"."id",
      "t3"."groundtruth",
      "t7"."label_id",
      "t7"."label",
      "t7"."labeled_at"
    FROM (
      SELECT
        "t0"."id",
        "t0"."groundtruth"
      FROM "r" AS "t0"
      WHERE
        "t0"."model" = 'ripeness' AND "t0"."model_version" = 'v1' AND TRUE
    ) AS "t3"
    LEFT OUTER JOIN (
      SELECT
        "t5"."id" AS "label_id",
        "t5"."groundtruth" AS "label",
        "t5"."labeled_at"
      FROM (
        SELECT
          "t4"."id",
          "t4"."groundtruth",
          "t4"."labeled_at",
          "t4"."labeler",
          "t4"."model",
          "t4"."model_version",
          ROW_NUMBER() OVER (
            PARTITION BY "t4"."id"
            ORDER BY "t4"."labeled_at" DESC NULLS LAST, CONVERT_TO("t4"."groundtruth", 'UTF8') DESC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) - 1 AS "place"
        FROM (
          SELECT
            *
          FROM "l" AS "t1"
          WHERE
            "t1"."groundtruth" IS NOT NULL
            AND (
              (
                "t1"."model" IS NULL
              ) OR (
                "t1"."model" = 'ripeness'
              )
            )
            AND (
              (
                "t1"."model_version" IS NULL
              ) OR (
                "t1"."model_version" = 'v1'
              )
            )
        ) AS "t4"
      ) AS "t5"
      WHERE
        "t5"."place" = 0
    ) AS "t7"
      ON "t3"."id" = "t7"."label_id"
  ) AS "t8"
) AS "t9"
ORDER BY
  CONVERT_TO("t9"."id", 'UTF8') ASC,
  CONVERT_TO("t9"."groundtruth", 'UTF8') ASC;

-- rows of no time
SELECT
  *
FROM (
  SELECT
    "t0"."model",
    "t0"."model_version",
    "t0"."time",
    "t0"."raw_data",
    "t0"."raw_prediction",
    "t0"."groundtruth",
    "t0"."id",
    "t0"."priority",
    "t0"."p",
    "t0"."example_count",
    "t0"."example_sample_percentage",
    "t0"."sampled_at",
    "t0"."interval_start",
    "t0"."job_uid",
    CAST(NULL AS TIMESTAMPTZ(6)) AS "labeled_at",
    TRUE AS "is_inside"
  FROM "r" AS "t0"
  WHERE
    "t0"."model" = 'ripeness' AND "t0"."model_version" = 'v1' AND FALSE
) AS "t1"
ORDER BY
  CONVERT_TO("t1"."id", 'UTF8') ASC,
  "t1"."time" ASC;

-- late rows
SELECT
  COUNT(*) AS "CountStar()"
FROM (
  SELECT
    "t7"."model",
    "t7"."model_version",
    "t7"."time",
    "t7"."raw_data",
    "t7"."raw_prediction",
    "t7"."groundtruth",
    "t7"."id",
    "t7"."priority",
    "t7"."p",
    "t7"."example_count",
    "t7"."example_sample_percentage",
    "t7"."sampled_at",
    "t7"."interval_start",
    "t7"."job_uid",
    "t7"."is_inside"
  FROM (
    SELECT
      "t5"."model",
      "t5"."model_version",
      "t5"."time",
      "t5"."raw_data",
      "t5"."raw_prediction",
      "t5"."groundtruth",
      CASE
        WHEN (
          "t5"."id" IS NULL
        ) AND (
          "t5"."ordinal" > 0
        )
        THEN "t5"."digest" || '-' || CAST("t5"."ordinal" AS VARCHAR)
        ELSE "t5"."digest"
      END AS "id",
      "t5"."priority",
      "t5"."p",
      "t5"."example_count",
      "t5"."example_sample_percentage",
      "t5"."sampled_at",
      "t5"."interval_start",
      "t5"."job_uid",
      "t5"."is_inside"
    FROM (
      SELECT
        "t4"."model",
        "t4"."model_version",
        "t4"."time",
        "t4"."raw_data",
        "t4"."raw_prediction",
        "t4"."groundtruth",
        "t4"."id",
        "t4"."priority",
        "t4"."p",
        "t4"."example_count",
        "t4"."example_sample_percentage",
        "t4"."sampled_at",
        "t4"."interval_start",
        "t4"."job_uid",
        "t4"."is_inside",
        "t4"."digest",
        ROW_NUMBER() OVER (
          PARTITION BY "t4"."digest"
          ORDER BY CONVERT_TO("t4"."groundtruth", 'UTF8') ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) - 1 AS "ordinal"
      FROM (
        SELECT
          "t3"."model",
          "t3"."model_version",
          "t3"."time",
          "t3"."raw_data",
          "t3"."raw_prediction",
          "t3"."groundtruth",
          "t3"."id",
          "t3"."priority",
          "t3"."p",
          "t3"."example_count",
          "t3"."example_sample_percentage",
          "t3"."sampled_at",
          "t3"."interval_start",
          "t3"."job_uid",
          "t3"."is_inside",
          COALESCE(
            "t3"."id",
            SUBSTRING(ENCODE(
              SHA256(
                CONVERT_TO(
                  COALESCE(CAST(LENGTH("t3"."model") AS VARCHAR) || ':' || "t3"."model", '~') || COALESCE(CAST(LENGTH("t3"."model_version") AS VARCHAR) || ':' || "t3"."model_version", '~') || COALESCE(
                    CAST(LENGTH(
                      CAST((
                        CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t3"."time")) AS BIGINT) * 1000000
                      ) + CAST(EXTRACT('microsecond' FROM "t3"."time") % 1000000 AS BIGINT) AS VARCHAR)
                    ) AS VARCHAR) || ':' || CAST((
                      CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t3"."time")) AS BIGINT) * 1000000
                    ) + CAST(EXTRACT('microsecond' FROM "t3"."time") % 1000000 AS BIGINT) AS VARCHAR),
                    '~'
                  ) || COALESCE(CAST(LENGTH("t3"."raw_data") AS VARCHAR) || ':' || "t3"."raw_data", '~') || COALESCE(
                    CAST(LENGTH("t3"."raw_prediction") AS VARCHAR) || ':' || "t3"."raw_prediction",
                    '~'
                  ),
                  'UTF8'
                )
              ),
              'hex'
            ) FROM CASE
              WHEN (
                0 + 1
              ) >= 1
              THEN 0 + 1
              ELSE 0 + 1 + LENGTH(
                ENCODE(
                  SHA256(
                    CONVERT_TO(
                      COALESCE(CAST(LENGTH("t3"."model") AS VARCHAR) || ':' || "t3"."model", '~') || COALESCE(CAST(LENGTH("t3"."model_version") AS VARCHAR) || ':' || "t3"."model_version", '~') || COALESCE(
                        CAST(LENGTH(
                          CAST((
                            CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t3"."time")) AS BIGINT) * 1000000
                          ) + CAST(EXTRACT('microsecond' FROM "t3"."time") % 1000000 AS BIGINT) AS VARCHAR)
                        ) AS VARCHAR) || ':' || CAST((
                          CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t3"."time")) AS BIGINT) * 1000000
                        ) + CAST(EXTRACT('microsecond' FROM "t3"."time") % 1000000 AS BIGINT) AS VARCHAR),
                        '~'
                      ) || COALESCE(CAST(LENGTH("t3"."raw_data") AS VARCHAR) || ':' || "t3"."raw_data", '~') || COALESCE(
                        CAST(LENGTH("t3"."raw_prediction") AS VARCHAR) || ':' || "t3"."raw_prediction",
                        '~'
                      ),
                      'UTF8'
                    )
                  ),
                  'hex'
                )
              )
            END FOR 32)
          ) AS "digest"
        FROM (
          SELECT
            "t1"."model",
            "t1"."model_version",
            "t1"."time",
            "t1"."raw_data",
            "t1"."raw_prediction",
            "t1"."groundtruth",
            "t1"."id",
            "t1"."priority",
            "t1"."p",
            "t1"."example_count",
            "t1"."example_sample_percentage",
            "t1"."sampled_at",
            "t1"."interval_start",
            "t1"."job_uid",
            (
              (
                COALESCE("t1"."sampled_at", "t1"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              AND (
                COALESCE("t1"."sampled_at", "t1"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
            )
            OR (
              COALESCE("t1"."sampled_at", "t1"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
            ) AS "is_inside"
          FROM "r" AS "t1"
          WHERE
            "t1"."sampled_at" IS NULL
            AND "t1"."model" = 'ripeness'
            AND "t1"."model_version" = 'v1'
            AND (
              (
                (
                  COALESCE("t1"."sampled_at", "t1"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
                AND (
                  COALESCE("t1"."sampled_at", "t1"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
              )
              OR (
                COALESCE("t1"."sampled_at", "t1"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
              )
              OR (
                (
                  COALESCE("t1"."sampled_at", "t1"."time") >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
                AND (
                  COALESCE("t1"."sampled_at", "t1"."time") < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
                )
              )
            )
            AND NOT (
              COALESCE(
                (
                  "t1"."sampled_at" IS NULL
                )
                AND (
                  (
                    "t1"."time" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
                  )
                  AND (
                    "t1"."time" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
                  )
                ),
                FALSE
              )
            )
        ) AS "t3"
      ) AS "t4"
    ) AS "t5"
    WHERE
      "t5"."is_inside"
  ) AS "t7"
  WHERE
    NOT EXISTS(
      SELECT
        1
      FROM "known" AS "t2"
      WHERE
        "t7"."id" = "t2"."id"
    )
) AS "t8";

-- model versions
SELECT DISTINCT
  *
FROM (
  SELECT
    *
  FROM (
    SELECT
      "t0"."model",
      "t0"."model_version"
    FROM "r" AS "t0"
  ) AS "t2"
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      "t1"."model",
      "t1"."model_version"
    FROM "h" AS "t1"
  ) AS "t3"
) AS "t4"
WHERE
  "t4"."model" IS NOT NULL AND "t4"."model_version" IS NOT NULL
LIMIT 10;

-- shared labels
SELECT
  "t0"."id"
FROM "l" AS "t0"
WHERE
  (
    "t0"."model" IS NULL
  ) OR (
    "t0"."model_version" IS NULL
  )
LIMIT 1;

-- rows by key
SELECT
  "t0"."model",
  "t0"."model_version",
  "t0"."time",
  "t0"."raw_data",
  "t0"."raw_prediction",
  "t0"."groundtruth",
  "t0"."id",
  "t0"."priority",
  "t0"."p",
  "t0"."example_count",
  "t0"."example_sample_percentage",
  "t0"."sampled_at",
  "t0"."interval_start",
  "t0"."job_uid",
  "t0"."id" AS "key"
FROM "r" AS "t0"
WHERE
  "t0"."model" = 'ripeness'
  AND "t0"."model_version" = 'v1'
  AND (
    (
      (
        COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
      AND (
        COALESCE("t0"."sampled_at", "t0"."time") < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
    )
    OR (
      COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
    )
    OR (
      (
        COALESCE("t0"."sampled_at", "t0"."time") >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
      AND (
        COALESCE("t0"."sampled_at", "t0"."time") < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
    )
  )
  AND NOT (
    COALESCE(
      (
        "t0"."sampled_at" IS NULL
      )
      AND (
        (
          "t0"."time" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
        )
        AND (
          "t0"."time" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
        )
      ),
      FALSE
    )
  );

-- rows of others by key
SELECT
  "t2"."model",
  "t2"."model_version",
  "t2"."time",
  "t2"."raw_data",
  "t2"."raw_prediction",
  "t2"."groundtruth",
  "t2"."id",
  "t2"."priority",
  "t2"."p",
  "t2"."example_count",
  "t2"."example_sample_percentage",
  "t2"."sampled_at",
  "t2"."interval_start",
  "t2"."job_uid",
  "t2"."key"
FROM (
  SELECT
    "t1"."model",
    "t1"."model_version",
    "t1"."time",
    "t1"."raw_data",
    "t1"."raw_prediction",
    "t1"."groundtruth",
    "t1"."id",
    "t1"."priority",
    "t1"."p",
    "t1"."example_count",
    "t1"."example_sample_percentage",
    "t1"."sampled_at",
    "t1"."interval_start",
    "t1"."job_uid",
    "t1"."is_inside",
    COALESCE(
      "t1"."id",
      SUBSTRING(ENCODE(
        SHA256(
          CONVERT_TO(
            COALESCE(CAST(LENGTH("t1"."model") AS VARCHAR) || ':' || "t1"."model", '~') || COALESCE(CAST(LENGTH("t1"."model_version") AS VARCHAR) || ':' || "t1"."model_version", '~') || COALESCE(
              CAST(LENGTH(
                CAST((
                  CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
                ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR)
              ) AS VARCHAR) || ':' || CAST((
                CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
              ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR),
              '~'
            ) || COALESCE(CAST(LENGTH("t1"."raw_data") AS VARCHAR) || ':' || "t1"."raw_data", '~') || COALESCE(
              CAST(LENGTH("t1"."raw_prediction") AS VARCHAR) || ':' || "t1"."raw_prediction",
              '~'
            ),
            'UTF8'
          )
        ),
        'hex'
      ) FROM CASE
        WHEN (
          0 + 1
        ) >= 1
        THEN 0 + 1
        ELSE 0 + 1 + LENGTH(
          ENCODE(
            SHA256(
              CONVERT_TO(
                COALESCE(CAST(LENGTH("t1"."model") AS VARCHAR) || ':' || "t1"."model", '~') || COALESCE(CAST(LENGTH("t1"."model_version") AS VARCHAR) || ':' || "t1"."model_version", '~') || COALESCE(
                  CAST(LENGTH(
                    CAST((
                      CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
                    ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR)
                  ) AS VARCHAR) || ':' || CAST((
                    CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."time")) AS BIGINT) * 1000000
                  ) + CAST(EXTRACT('microsecond' FROM "t1"."time") % 1000000 AS BIGINT) AS VARCHAR),
                  '~'
                ) || COALESCE(CAST(LENGTH("t1"."raw_data") AS VARCHAR) || ':' || "t1"."raw_data", '~') || COALESCE(
                  CAST(LENGTH("t1"."raw_prediction") AS VARCHAR) || ':' || "t1"."raw_prediction",
                  '~'
                ),
                'UTF8'
              )
            ),
            'hex'
          )
        )
      END FOR 32)
    ) AS "key"
  FROM (
    SELECT
      "t0"."model",
      "t0"."model_version",
      "t0"."time",
      "t0"."raw_data",
      "t0"."raw_prediction",
      "t0"."groundtruth",
      "t0"."id",
      "t0"."priority",
      "t0"."p",
      "t0"."example_count",
      "t0"."example_sample_percentage",
      "t0"."sampled_at",
      "t0"."interval_start",
      "t0"."job_uid",
      TRUE AS "is_inside"
    FROM "r" AS "t0"
    WHERE
      "t0"."model" = 'ripeness' AND "t0"."model_version" = 'v1'
  ) AS "t1"
) AS "t2";

-- halves by key
SELECT
  "t0"."model",
  "t0"."model_version",
  "t0"."time",
  "t0"."raw_data",
  "t0"."raw_prediction",
  "t0"."id",
  "t0"."priority",
  "t0"."p",
  "t0"."example_count",
  "t0"."example_sample_percentage",
  "t0"."sampled_at",
  "t0"."interval_start",
  "t0"."job_uid",
  "t0"."item_count",
  "t0"."id" AS "key"
FROM "h" AS "t0"
WHERE
  "t0"."model" = 'ripeness'
  AND "t0"."model_version" = 'v1'
  AND (
    (
      (
        "t0"."sampled_at" >= CAST('2026-03-01T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
      AND (
        "t0"."sampled_at" < CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
    )
    OR (
      "t0"."sampled_at" >= CAST('2026-03-03T10:00:00+00:00' AS TIMESTAMPTZ(6))
    )
    OR (
      (
        "t0"."sampled_at" >= CAST('2026-03-02T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
      AND (
        "t0"."sampled_at" < CAST('2026-03-04T10:00:00+00:00' AS TIMESTAMPTZ(6))
      )
    )
  )
  AND "t0"."id" IS NOT NULL;

-- all halves by key
SELECT
  "t0"."model",
  "t0"."model_version",
  "t0"."time",
  "t0"."raw_data",
  "t0"."raw_prediction",
  "t0"."id",
  "t0"."priority",
  "t0"."p",
  "t0"."example_count",
  "t0"."example_sample_percentage",
  "t0"."sampled_at",
  "t0"."interval_start",
  "t0"."job_uid",
  "t0"."item_count",
  "t0"."id" AS "key"
FROM "h" AS "t0"
WHERE
  "t0"."model" = 'ripeness'
  AND "t0"."model_version" = 'v1'
  AND "t0"."id" IS NOT NULL;

