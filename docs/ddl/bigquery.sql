-- Generated from the datasets table by make docs; do not edit. docs/reading.md says how to use it.

CREATE SCHEMA IF NOT EXISTS `zdirect`;

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`received_items` (
  `zalando_advice_id` STRING,
  `ean` STRING,
  `quality_label` STRING,
  `location_id` STRING,
  `received_timestamp` TIMESTAMP,
  `merchant_article_id` STRING,
  `merchant_item_id` STRING,
  `merchant_b2b_reference` STRING,
  `parent` STRUCT<`id` STRING>,
  `consumed_timestamp` TIMESTAMP,
  `tour_number` STRING,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/received_items/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/received_items',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`returned_items` (
  `quality_label` STRING,
  `consumed_timestamp` TIMESTAMP,
  `ean` STRING,
  `merchant_b2b_reference` STRING,
  `parent` STRUCT<`id` STRING>,
  `location_id` STRING,
  `shipped_timestamp` TIMESTAMP,
  `zalando_shipment_number` STRING,
  `destination` STRUCT<`city` STRING, `country_code` STRING, `first_name` STRING, `last_name` STRING, `salutation` STRING, `street` STRING, `zip` STRING>,
  `quality_category` STRING,
  `defect_levels` STRUCT<`level_1` STRING, `level_2` STRING>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/returned_items/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/returned_items',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`liquidated_items` (
  `merchant_name` STRING,
  `api_merchant_id` STRING,
  `purchase_order_number` STRING,
  `shipping_notice_number` STRING,
  `ean` STRING,
  `sku_simple` STRING,
  `quantity` INT64,
  `stock_location_id` STRING,
  `liquidation_date` DATE,
  `reporting_date` DATE,
  `average_price_per_item` BIGNUMERIC,
  `total_price` BIGNUMERIC,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/liquidated_items/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/liquidated_items',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`intra_community_movements` (
  `report_date` DATE,
  `transaction_date` DATE,
  `product_sku` STRING,
  `ean` STRING,
  `merchant_sku` STRING,
  `quantity` INT64,
  `source_stock_location` STRUCT<`location_id` STRING, `name` STRING, `country_code` STRING>,
  `destination_stock_location` STRUCT<`location_id` STRING, `name` STRING, `country_code` STRING>,
  `order_number` STRING,
  `movement_type` STRING,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/intra_community_movements/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/intra_community_movements',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`cross_border_movements` (
  `movement_id` STRING,
  `report_date` DATE,
  `transaction_date` DATE,
  `product_sku` STRING,
  `ean` STRING,
  `merchant_sku` STRING,
  `movement_type` STRING,
  `source_stock_location` STRUCT<`location_id` STRING, `name` STRING, `country_code` STRING, `inbound_active` BOOL, `outbound_active` BOOL>,
  `destination_stock_location` STRUCT<`location_id` STRING, `name` STRING, `country_code` STRING, `inbound_active` BOOL, `outbound_active` BOOL>,
  `order_id` STRING,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/cross_border_movements/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/cross_border_movements',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`item_quantity_snapshots` (
  `ean` STRING,
  `stock_location_id` STRING,
  `quantities_by_state` STRUCT<`offerable` INT64, `non_offerable` INT64>,
  `total_quantity` INT64,
  `total_quantities_by_state` STRUCT<`offerable` INT64, `non_offerable` INT64>,
  `created` TIMESTAMP,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/item_quantity_snapshots/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/item_quantity_snapshots',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`item_quantities` (
  `ean` STRING,
  `stock_location_id` STRING,
  `quantities_by_state` STRUCT<`offerable` INT64, `non_offerable` INT64>,
  `total_quantity` INT64,
  `total_quantities_by_state` STRUCT<`offerable` INT64, `non_offerable` INT64>,
  `observed_at` TIMESTAMP,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/item_quantities/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/item_quantities',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`stock_locations` (
  `id` STRING,
  `name` STRING,
  `type` STRING,
  `abbreviation` STRING,
  `location` STRUCT<`name` STRING, `street` STRING, `postal_code` STRING, `city` STRING, `country_code` STRING, `latitude` FLOAT64, `longitude` FLOAT64>,
  `valid_from` TIMESTAMP,
  `capabilities` ARRAY<STRING>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/stock_locations/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/stock_locations',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`stock_locations_current` (
  `id` STRING,
  `name` STRING,
  `type` STRING,
  `abbreviation` STRING,
  `location` STRUCT<`name` STRING, `street` STRING, `postal_code` STRING, `city` STRING, `country_code` STRING, `latitude` FLOAT64, `longitude` FLOAT64>,
  `valid_from` TIMESTAMP,
  `capabilities` ARRAY<STRING>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/stock_locations_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/stock_locations_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`sales_channels` (
  `sales_channel_id` STRING,
  `country_name` STRING,
  `country_code` STRING,
  `live` BOOL,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/sales_channels/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/sales_channels',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`sales_channels_current` (
  `sales_channel_id` STRING,
  `country_name` STRING,
  `country_code` STRING,
  `live` BOOL,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/sales_channels_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/sales_channels_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`logistic_centers` (
  `logistic_center_id` STRING,
  `name` STRING,
  `type` STRING,
  `address` STRUCT<`street` STRING, `additional` STRING, `zip` STRING, `city` STRING, `country_code` STRING>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/logistic_centers/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/logistic_centers',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`logistic_centers_current` (
  `logistic_center_id` STRING,
  `name` STRING,
  `type` STRING,
  `address` STRUCT<`street` STRING, `additional` STRING, `zip` STRING, `city` STRING, `country_code` STRING>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/logistic_centers_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/logistic_centers_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`shipping_notices` (
  `shipping_notice_id` STRING,
  `zalando_merchant_id` STRING,
  `zalando_advice_id` STRING,
  `state` STRING,
  `carrier_name` STRING,
  `requested_zalando_location_id` STRING,
  `requested_zalando_location_name` STRING,
  `pallets_count` INT64,
  `colli_count` INT64,
  `hanging_goods_count` INT64,
  `announced_item_count` INT64,
  `dispatch_item_count` INT64,
  `earliest_delivery_date` DATE,
  `confirmed_delivery_date` TIMESTAMP,
  `merchant_b2b_reference` STRING,
  `contact_name` STRING,
  `contact_email` STRING,
  `additional_contact_email` STRING,
  `comments` STRING,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/shipping_notices/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/shipping_notices',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`shipping_notices_current` (
  `shipping_notice_id` STRING,
  `zalando_merchant_id` STRING,
  `zalando_advice_id` STRING,
  `state` STRING,
  `carrier_name` STRING,
  `requested_zalando_location_id` STRING,
  `requested_zalando_location_name` STRING,
  `pallets_count` INT64,
  `colli_count` INT64,
  `hanging_goods_count` INT64,
  `announced_item_count` INT64,
  `dispatch_item_count` INT64,
  `earliest_delivery_date` DATE,
  `confirmed_delivery_date` TIMESTAMP,
  `merchant_b2b_reference` STRING,
  `contact_name` STRING,
  `contact_email` STRING,
  `additional_contact_email` STRING,
  `comments` STRING,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/shipping_notices_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/shipping_notices_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`tours` (
  `tour_number` STRING,
  `zalando_advice_id` STRING,
  `shipping_notice_id` STRING,
  `type` STRING,
  `from_location` STRING,
  `to_location` STRING,
  `planned_arrival_time_at_dock` TIMESTAMP,
  `planned_arrival_time_at_yard` TIMESTAMP,
  `planned_amount_of_loading_units` STRUCT<`pallets` INT64, `colli` INT64, `hanging_garments` INT64>,
  `actual_amount_of_loading_units` STRUCT<`pallets` INT64, `colli` INT64, `hanging_garments` INT64>,
  `current_status` STRUCT<`status` STRING, `status_text` STRING, `last_updated` TIMESTAMP>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/tours/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/tours',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`tours_current` (
  `tour_number` STRING,
  `zalando_advice_id` STRING,
  `shipping_notice_id` STRING,
  `type` STRING,
  `from_location` STRING,
  `to_location` STRING,
  `planned_arrival_time_at_dock` TIMESTAMP,
  `planned_arrival_time_at_yard` TIMESTAMP,
  `planned_amount_of_loading_units` STRUCT<`pallets` INT64, `colli` INT64, `hanging_garments` INT64>,
  `actual_amount_of_loading_units` STRUCT<`pallets` INT64, `colli` INT64, `hanging_garments` INT64>,
  `current_status` STRUCT<`status` STRING, `status_text` STRING, `last_updated` TIMESTAMP>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/tours_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/tours_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`orders` (
  `order_id` STRING,
  `order_number` STRING,
  `merchant_order_id` STRING,
  `order_type` STRING,
  `status` STRING,
  `exported` BOOL,
  `order_date` TIMESTAMP,
  `sales_channel_id` STRING,
  `api_merchant_id` STRING,
  `stock_location_id` STRING,
  `logistics_provider_id` STRING,
  `shipment_number` STRING,
  `tracking_number` STRING,
  `return_tracking_number` STRING,
  `locale` STRING,
  `customer_number` STRING,
  `customer_email` STRING,
  `customer_phone` STRUCT<`number` STRING>,
  `shipping_address` STRUCT<`address_id` STRING, `first_name` STRING, `last_name` STRING, `address_type` STRING, `address_line_1` STRING, `address_line_2` STRING, `address_line_3` STRING, `zip_code` STRING, `city` STRING, `country_code` STRING, `service_point_details` STRUCT<`service_point_name` STRING, `service_point_id` STRING, `service_point_member_id` STRING>>,
  `billing_address` STRUCT<`address_id` STRING, `first_name` STRING, `last_name` STRING, `address_type` STRING, `address_line_1` STRING, `address_line_2` STRING, `address_line_3` STRING, `zip_code` STRING, `city` STRING, `country_code` STRING, `service_point_details` STRUCT<`service_point_name` STRING, `service_point_id` STRING, `service_point_member_id` STRING>>,
  `order_lines_count` INT64,
  `order_lines_price_amount` BIGNUMERIC,
  `order_lines_price_currency` STRING,
  `shipping_costs` STRUCT<`amount` BIGNUMERIC, `currency` STRING>,
  `delivery_end_date` TIMESTAMP,
  `created_by` STRING,
  `created_at` TIMESTAMP,
  `modified_by` STRING,
  `modified_at` TIMESTAMP,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/orders/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/orders',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`orders_current` (
  `order_id` STRING,
  `order_number` STRING,
  `merchant_order_id` STRING,
  `order_type` STRING,
  `status` STRING,
  `exported` BOOL,
  `order_date` TIMESTAMP,
  `sales_channel_id` STRING,
  `api_merchant_id` STRING,
  `stock_location_id` STRING,
  `logistics_provider_id` STRING,
  `shipment_number` STRING,
  `tracking_number` STRING,
  `return_tracking_number` STRING,
  `locale` STRING,
  `customer_number` STRING,
  `customer_email` STRING,
  `customer_phone` STRUCT<`number` STRING>,
  `shipping_address` STRUCT<`address_id` STRING, `first_name` STRING, `last_name` STRING, `address_type` STRING, `address_line_1` STRING, `address_line_2` STRING, `address_line_3` STRING, `zip_code` STRING, `city` STRING, `country_code` STRING, `service_point_details` STRUCT<`service_point_name` STRING, `service_point_id` STRING, `service_point_member_id` STRING>>,
  `billing_address` STRUCT<`address_id` STRING, `first_name` STRING, `last_name` STRING, `address_type` STRING, `address_line_1` STRING, `address_line_2` STRING, `address_line_3` STRING, `zip_code` STRING, `city` STRING, `country_code` STRING, `service_point_details` STRUCT<`service_point_name` STRING, `service_point_id` STRING, `service_point_member_id` STRING>>,
  `order_lines_count` INT64,
  `order_lines_price_amount` BIGNUMERIC,
  `order_lines_price_currency` STRING,
  `shipping_costs` STRUCT<`amount` BIGNUMERIC, `currency` STRING>,
  `delivery_end_date` TIMESTAMP,
  `created_by` STRING,
  `created_at` TIMESTAMP,
  `modified_by` STRING,
  `modified_at` TIMESTAMP,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/orders_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/orders_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`order_items` (
  `order_id` STRING,
  `order_date` TIMESTAMP,
  `order_modified_at` TIMESTAMP,
  `created_by` STRING,
  `created_at` TIMESTAMP,
  `modified_by` STRING,
  `modified_at` TIMESTAMP,
  `order_item_id` STRING,
  `article_id` STRING,
  `external_id` STRING,
  `description` STRING,
  `quantity_initial` INT64,
  `quantity_reserved` INT64,
  `quantity_shipped` INT64,
  `quantity_returned` INT64,
  `quantity_canceled` INT64,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/order_items/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/order_items',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`order_items_current` (
  `order_id` STRING,
  `order_date` TIMESTAMP,
  `order_modified_at` TIMESTAMP,
  `created_by` STRING,
  `created_at` TIMESTAMP,
  `modified_by` STRING,
  `modified_at` TIMESTAMP,
  `order_item_id` STRING,
  `article_id` STRING,
  `external_id` STRING,
  `description` STRING,
  `quantity_initial` INT64,
  `quantity_reserved` INT64,
  `quantity_shipped` INT64,
  `quantity_returned` INT64,
  `quantity_canceled` INT64,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/order_items_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/order_items_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`order_lines` (
  `order_id` STRING,
  `order_date` TIMESTAMP,
  `order_modified_at` TIMESTAMP,
  `created_by` STRING,
  `created_at` TIMESTAMP,
  `modified_by` STRING,
  `modified_at` TIMESTAMP,
  `order_line_id` STRING,
  `order_item_id` STRING,
  `status` STRING,
  `price` STRUCT<`amount` BIGNUMERIC, `currency` STRING>,
  `discounted_price` STRUCT<`amount` BIGNUMERIC, `currency` STRING>,
  `refunds` ARRAY<STRUCT<`date` STRING, `amount` BIGNUMERIC, `reason` STRING, `trigger` STRING, `currency` STRING>>,
  `source_stock_location_id` STRING,
  `outbound_logistic_center_id` STRING,
  `return_stock_location_id` STRING,
  `merchant_specified_identifier` STRUCT<`type` STRING, `value` STRING>,
  `transitions` ARRAY<STRUCT<`original_status` STRING, `final_status` STRING, `created_at` TIMESTAMP, `created_by` STRING, `transition_reason` STRUCT<`code` STRING, `description` STRING>>>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/order_lines/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/order_lines',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`order_lines_current` (
  `order_id` STRING,
  `order_date` TIMESTAMP,
  `order_modified_at` TIMESTAMP,
  `created_by` STRING,
  `created_at` TIMESTAMP,
  `modified_by` STRING,
  `modified_at` TIMESTAMP,
  `order_line_id` STRING,
  `order_item_id` STRING,
  `status` STRING,
  `price` STRUCT<`amount` BIGNUMERIC, `currency` STRING>,
  `discounted_price` STRUCT<`amount` BIGNUMERIC, `currency` STRING>,
  `refunds` ARRAY<STRUCT<`date` STRING, `amount` BIGNUMERIC, `reason` STRING, `trigger` STRING, `currency` STRING>>,
  `source_stock_location_id` STRING,
  `outbound_logistic_center_id` STRING,
  `return_stock_location_id` STRING,
  `merchant_specified_identifier` STRUCT<`type` STRING, `value` STRING>,
  `transitions` ARRAY<STRUCT<`original_status` STRING, `final_status` STRING, `created_at` TIMESTAMP, `created_by` STRING, `transition_reason` STRUCT<`code` STRING, `description` STRING>>>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/order_lines_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/order_lines_current',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`announced_returns` (
  `announced_return_id` STRING,
  `return_registered_at` TIMESTAMP,
  `sales_channel_id` STRING,
  `return_tracking_number` STRING,
  `type` STRING,
  `orders` ARRAY<STRUCT<`order_id` STRING, `order_number` STRING, `merchant_order_id` STRING, `order_lines` ARRAY<STRUCT<`order_line_id` STRING, `order_item_id` STRING, `return_reason` STRING>>>>,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/announced_returns/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/announced_returns',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`order_deletion_requests` (
  `order_id` STRING,
  `order_number` STRING,
  `api_merchant_id` STRING,
  `sales_channel_id` STRING,
  `requested_at` TIMESTAMP,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/order_deletion_requests/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/order_deletion_requests',
  enable_list_inference = TRUE
);

CREATE OR REPLACE EXTERNAL TABLE `zdirect`.`order_deletion_requests_current` (
  `order_id` STRING,
  `order_number` STRING,
  `api_merchant_id` STRING,
  `sales_channel_id` STRING,
  `requested_at` TIMESTAMP,
  `_merchant_id` STRING,
  `_environment` STRING,
  `_window_from` TIMESTAMP,
  `_window_to` TIMESTAMP,
  `_extracted_at` TIMESTAMP,
  `_record_hash` INT64,
  `_unknown_fields` STRING,
  `_valid_from` TIMESTAMP,
  `_valid_to` TIMESTAMP
)
WITH PARTITION COLUMNS (
  `merchant_id` STRING,
  `date` DATE
)
OPTIONS (
  format = 'PARQUET',
  uris = ['gs://my-bucket/zdirect/order_deletion_requests_current/*'],
  hive_partition_uri_prefix = 'gs://my-bucket/zdirect/order_deletion_requests_current',
  enable_list_inference = TRUE
);
