-- Generated from the datasets table by make docs; do not edit. docs/reading.md says how to use it.

CREATE VIEW received_items AS
FROM read_parquet('s3://my-bucket/zdirect/received_items/**/*.parquet', hive_partitioning = true);

CREATE VIEW returned_items AS
FROM read_parquet('s3://my-bucket/zdirect/returned_items/**/*.parquet', hive_partitioning = true);

CREATE VIEW liquidated_items AS
FROM read_parquet('s3://my-bucket/zdirect/liquidated_items/**/*.parquet', hive_partitioning = true);

CREATE VIEW intra_community_movements AS
FROM read_parquet('s3://my-bucket/zdirect/intra_community_movements/**/*.parquet', hive_partitioning = true);

CREATE VIEW cross_border_movements AS
FROM read_parquet('s3://my-bucket/zdirect/cross_border_movements/**/*.parquet', hive_partitioning = true);

CREATE VIEW item_quantity_snapshots AS
FROM read_parquet('s3://my-bucket/zdirect/item_quantity_snapshots/**/*.parquet', hive_partitioning = true);

CREATE VIEW item_quantities AS
FROM read_parquet('s3://my-bucket/zdirect/item_quantities/**/*.parquet', hive_partitioning = true);

CREATE VIEW stock_locations AS
FROM read_parquet('s3://my-bucket/zdirect/stock_locations/**/*.parquet', hive_partitioning = true);

CREATE VIEW stock_locations_current AS
FROM read_parquet('s3://my-bucket/zdirect/stock_locations_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW sales_channels AS
FROM read_parquet('s3://my-bucket/zdirect/sales_channels/**/*.parquet', hive_partitioning = true);

CREATE VIEW sales_channels_current AS
FROM read_parquet('s3://my-bucket/zdirect/sales_channels_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW logistic_centers AS
FROM read_parquet('s3://my-bucket/zdirect/logistic_centers/**/*.parquet', hive_partitioning = true);

CREATE VIEW logistic_centers_current AS
FROM read_parquet('s3://my-bucket/zdirect/logistic_centers_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW shipping_notices AS
FROM read_parquet('s3://my-bucket/zdirect/shipping_notices/**/*.parquet', hive_partitioning = true);

CREATE VIEW shipping_notices_current AS
FROM read_parquet('s3://my-bucket/zdirect/shipping_notices_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW tours AS
FROM read_parquet('s3://my-bucket/zdirect/tours/**/*.parquet', hive_partitioning = true);

CREATE VIEW tours_current AS
FROM read_parquet('s3://my-bucket/zdirect/tours_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW orders AS
FROM read_parquet('s3://my-bucket/zdirect/orders/**/*.parquet', hive_partitioning = true);

CREATE VIEW orders_current AS
FROM read_parquet('s3://my-bucket/zdirect/orders_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW order_items AS
FROM read_parquet('s3://my-bucket/zdirect/order_items/**/*.parquet', hive_partitioning = true);

CREATE VIEW order_items_current AS
FROM read_parquet('s3://my-bucket/zdirect/order_items_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW order_lines AS
FROM read_parquet('s3://my-bucket/zdirect/order_lines/**/*.parquet', hive_partitioning = true);

CREATE VIEW order_lines_current AS
FROM read_parquet('s3://my-bucket/zdirect/order_lines_current/**/*.parquet', hive_partitioning = true);

CREATE VIEW announced_returns AS
FROM read_parquet('s3://my-bucket/zdirect/announced_returns/**/*.parquet', hive_partitioning = true);

CREATE VIEW order_deletion_requests AS
FROM read_parquet('s3://my-bucket/zdirect/order_deletion_requests/**/*.parquet', hive_partitioning = true);

CREATE VIEW order_deletion_requests_current AS
FROM read_parquet('s3://my-bucket/zdirect/order_deletion_requests_current/**/*.parquet', hive_partitioning = true);
