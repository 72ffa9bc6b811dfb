-- Generated from the datasets table by make docs; do not edit. docs/reading.md says how to use it.

CREATE DATABASE IF NOT EXISTS zdirect;

CREATE EXTERNAL TABLE zdirect.received_items (
  `zalando_advice_id` string,
  `ean` string,
  `quality_label` string,
  `location_id` string,
  `received_timestamp` timestamp,
  `merchant_article_id` string,
  `merchant_item_id` string,
  `merchant_b2b_reference` string,
  `parent` struct<`id`:string>,
  `consumed_timestamp` timestamp,
  `tour_number` string,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/received_items/';
MSCK REPAIR TABLE zdirect.received_items;

CREATE EXTERNAL TABLE zdirect.returned_items (
  `quality_label` string,
  `consumed_timestamp` timestamp,
  `ean` string,
  `merchant_b2b_reference` string,
  `parent` struct<`id`:string>,
  `location_id` string,
  `shipped_timestamp` timestamp,
  `zalando_shipment_number` string,
  `destination` struct<`city`:string, `country_code`:string, `first_name`:string, `last_name`:string, `salutation`:string, `street`:string, `zip`:string>,
  `quality_category` string,
  `defect_levels` struct<`level_1`:string, `level_2`:string>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/returned_items/';
MSCK REPAIR TABLE zdirect.returned_items;

CREATE EXTERNAL TABLE zdirect.liquidated_items (
  `merchant_name` string,
  `api_merchant_id` string,
  `purchase_order_number` string,
  `shipping_notice_number` string,
  `ean` string,
  `sku_simple` string,
  `quantity` bigint,
  `stock_location_id` string,
  `liquidation_date` date,
  `reporting_date` date,
  `average_price_per_item` decimal(38,18),
  `total_price` decimal(38,18),
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/liquidated_items/';
MSCK REPAIR TABLE zdirect.liquidated_items;

CREATE EXTERNAL TABLE zdirect.intra_community_movements (
  `report_date` date,
  `transaction_date` date,
  `product_sku` string,
  `ean` string,
  `merchant_sku` string,
  `quantity` bigint,
  `source_stock_location` struct<`location_id`:string, `name`:string, `country_code`:string>,
  `destination_stock_location` struct<`location_id`:string, `name`:string, `country_code`:string>,
  `order_number` string,
  `movement_type` string,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/intra_community_movements/';
MSCK REPAIR TABLE zdirect.intra_community_movements;

CREATE EXTERNAL TABLE zdirect.cross_border_movements (
  `movement_id` string,
  `report_date` date,
  `transaction_date` date,
  `product_sku` string,
  `ean` string,
  `merchant_sku` string,
  `movement_type` string,
  `source_stock_location` struct<`location_id`:string, `name`:string, `country_code`:string, `inbound_active`:boolean, `outbound_active`:boolean>,
  `destination_stock_location` struct<`location_id`:string, `name`:string, `country_code`:string, `inbound_active`:boolean, `outbound_active`:boolean>,
  `order_id` string,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/cross_border_movements/';
MSCK REPAIR TABLE zdirect.cross_border_movements;

CREATE EXTERNAL TABLE zdirect.item_quantity_snapshots (
  `ean` string,
  `stock_location_id` string,
  `quantities_by_state` struct<`offerable`:bigint, `non_offerable`:bigint>,
  `total_quantity` bigint,
  `total_quantities_by_state` struct<`offerable`:bigint, `non_offerable`:bigint>,
  `created` timestamp,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/item_quantity_snapshots/';
MSCK REPAIR TABLE zdirect.item_quantity_snapshots;

CREATE EXTERNAL TABLE zdirect.item_quantities (
  `ean` string,
  `stock_location_id` string,
  `quantities_by_state` struct<`offerable`:bigint, `non_offerable`:bigint>,
  `total_quantity` bigint,
  `total_quantities_by_state` struct<`offerable`:bigint, `non_offerable`:bigint>,
  `observed_at` timestamp,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/item_quantities/';
MSCK REPAIR TABLE zdirect.item_quantities;

CREATE EXTERNAL TABLE zdirect.stock_locations (
  `id` string,
  `name` string,
  `type` string,
  `abbreviation` string,
  `location` struct<`name`:string, `street`:string, `postal_code`:string, `city`:string, `country_code`:string, `latitude`:double, `longitude`:double>,
  `valid_from` timestamp,
  `capabilities` array<string>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/stock_locations/';
MSCK REPAIR TABLE zdirect.stock_locations;

CREATE EXTERNAL TABLE zdirect.stock_locations_current (
  `id` string,
  `name` string,
  `type` string,
  `abbreviation` string,
  `location` struct<`name`:string, `street`:string, `postal_code`:string, `city`:string, `country_code`:string, `latitude`:double, `longitude`:double>,
  `valid_from` timestamp,
  `capabilities` array<string>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/stock_locations_current/';
MSCK REPAIR TABLE zdirect.stock_locations_current;

CREATE EXTERNAL TABLE zdirect.sales_channels (
  `sales_channel_id` string,
  `country_name` string,
  `country_code` string,
  `live` boolean,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/sales_channels/';
MSCK REPAIR TABLE zdirect.sales_channels;

CREATE EXTERNAL TABLE zdirect.sales_channels_current (
  `sales_channel_id` string,
  `country_name` string,
  `country_code` string,
  `live` boolean,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/sales_channels_current/';
MSCK REPAIR TABLE zdirect.sales_channels_current;

CREATE EXTERNAL TABLE zdirect.logistic_centers (
  `logistic_center_id` string,
  `name` string,
  `type` string,
  `address` struct<`street`:string, `additional`:string, `zip`:string, `city`:string, `country_code`:string>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/logistic_centers/';
MSCK REPAIR TABLE zdirect.logistic_centers;

CREATE EXTERNAL TABLE zdirect.logistic_centers_current (
  `logistic_center_id` string,
  `name` string,
  `type` string,
  `address` struct<`street`:string, `additional`:string, `zip`:string, `city`:string, `country_code`:string>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/logistic_centers_current/';
MSCK REPAIR TABLE zdirect.logistic_centers_current;

CREATE EXTERNAL TABLE zdirect.shipping_notices (
  `shipping_notice_id` string,
  `zalando_merchant_id` string,
  `zalando_advice_id` string,
  `state` string,
  `carrier_name` string,
  `requested_zalando_location_id` string,
  `requested_zalando_location_name` string,
  `pallets_count` bigint,
  `colli_count` bigint,
  `hanging_goods_count` bigint,
  `announced_item_count` bigint,
  `dispatch_item_count` bigint,
  `earliest_delivery_date` date,
  `confirmed_delivery_date` timestamp,
  `merchant_b2b_reference` string,
  `contact_name` string,
  `contact_email` string,
  `additional_contact_email` string,
  `comments` string,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/shipping_notices/';
MSCK REPAIR TABLE zdirect.shipping_notices;

CREATE EXTERNAL TABLE zdirect.shipping_notices_current (
  `shipping_notice_id` string,
  `zalando_merchant_id` string,
  `zalando_advice_id` string,
  `state` string,
  `carrier_name` string,
  `requested_zalando_location_id` string,
  `requested_zalando_location_name` string,
  `pallets_count` bigint,
  `colli_count` bigint,
  `hanging_goods_count` bigint,
  `announced_item_count` bigint,
  `dispatch_item_count` bigint,
  `earliest_delivery_date` date,
  `confirmed_delivery_date` timestamp,
  `merchant_b2b_reference` string,
  `contact_name` string,
  `contact_email` string,
  `additional_contact_email` string,
  `comments` string,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/shipping_notices_current/';
MSCK REPAIR TABLE zdirect.shipping_notices_current;

CREATE EXTERNAL TABLE zdirect.tours (
  `tour_number` string,
  `zalando_advice_id` string,
  `shipping_notice_id` string,
  `type` string,
  `from_location` string,
  `to_location` string,
  `planned_arrival_time_at_dock` timestamp,
  `planned_arrival_time_at_yard` timestamp,
  `planned_amount_of_loading_units` struct<`pallets`:bigint, `colli`:bigint, `hanging_garments`:bigint>,
  `actual_amount_of_loading_units` struct<`pallets`:bigint, `colli`:bigint, `hanging_garments`:bigint>,
  `current_status` struct<`status`:string, `status_text`:string, `last_updated`:timestamp>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/tours/';
MSCK REPAIR TABLE zdirect.tours;

CREATE EXTERNAL TABLE zdirect.tours_current (
  `tour_number` string,
  `zalando_advice_id` string,
  `shipping_notice_id` string,
  `type` string,
  `from_location` string,
  `to_location` string,
  `planned_arrival_time_at_dock` timestamp,
  `planned_arrival_time_at_yard` timestamp,
  `planned_amount_of_loading_units` struct<`pallets`:bigint, `colli`:bigint, `hanging_garments`:bigint>,
  `actual_amount_of_loading_units` struct<`pallets`:bigint, `colli`:bigint, `hanging_garments`:bigint>,
  `current_status` struct<`status`:string, `status_text`:string, `last_updated`:timestamp>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/tours_current/';
MSCK REPAIR TABLE zdirect.tours_current;

CREATE EXTERNAL TABLE zdirect.orders (
  `order_id` string,
  `order_number` string,
  `merchant_order_id` string,
  `order_type` string,
  `status` string,
  `exported` boolean,
  `order_date` timestamp,
  `sales_channel_id` string,
  `api_merchant_id` string,
  `stock_location_id` string,
  `logistics_provider_id` string,
  `shipment_number` string,
  `tracking_number` string,
  `return_tracking_number` string,
  `locale` string,
  `customer_number` string,
  `customer_email` string,
  `customer_phone` struct<`number`:string>,
  `shipping_address` struct<`address_id`:string, `first_name`:string, `last_name`:string, `address_type`:string, `address_line_1`:string, `address_line_2`:string, `address_line_3`:string, `zip_code`:string, `city`:string, `country_code`:string, `service_point_details`:struct<`service_point_name`:string, `service_point_id`:string, `service_point_member_id`:string>>,
  `billing_address` struct<`address_id`:string, `first_name`:string, `last_name`:string, `address_type`:string, `address_line_1`:string, `address_line_2`:string, `address_line_3`:string, `zip_code`:string, `city`:string, `country_code`:string, `service_point_details`:struct<`service_point_name`:string, `service_point_id`:string, `service_point_member_id`:string>>,
  `order_lines_count` bigint,
  `order_lines_price_amount` decimal(38,18),
  `order_lines_price_currency` string,
  `shipping_costs` struct<`amount`:decimal(38,18), `currency`:string>,
  `delivery_end_date` timestamp,
  `created_by` string,
  `created_at` timestamp,
  `modified_by` string,
  `modified_at` timestamp,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/orders/';
MSCK REPAIR TABLE zdirect.orders;

CREATE EXTERNAL TABLE zdirect.orders_current (
  `order_id` string,
  `order_number` string,
  `merchant_order_id` string,
  `order_type` string,
  `status` string,
  `exported` boolean,
  `order_date` timestamp,
  `sales_channel_id` string,
  `api_merchant_id` string,
  `stock_location_id` string,
  `logistics_provider_id` string,
  `shipment_number` string,
  `tracking_number` string,
  `return_tracking_number` string,
  `locale` string,
  `customer_number` string,
  `customer_email` string,
  `customer_phone` struct<`number`:string>,
  `shipping_address` struct<`address_id`:string, `first_name`:string, `last_name`:string, `address_type`:string, `address_line_1`:string, `address_line_2`:string, `address_line_3`:string, `zip_code`:string, `city`:string, `country_code`:string, `service_point_details`:struct<`service_point_name`:string, `service_point_id`:string, `service_point_member_id`:string>>,
  `billing_address` struct<`address_id`:string, `first_name`:string, `last_name`:string, `address_type`:string, `address_line_1`:string, `address_line_2`:string, `address_line_3`:string, `zip_code`:string, `city`:string, `country_code`:string, `service_point_details`:struct<`service_point_name`:string, `service_point_id`:string, `service_point_member_id`:string>>,
  `order_lines_count` bigint,
  `order_lines_price_amount` decimal(38,18),
  `order_lines_price_currency` string,
  `shipping_costs` struct<`amount`:decimal(38,18), `currency`:string>,
  `delivery_end_date` timestamp,
  `created_by` string,
  `created_at` timestamp,
  `modified_by` string,
  `modified_at` timestamp,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/orders_current/';
MSCK REPAIR TABLE zdirect.orders_current;

CREATE EXTERNAL TABLE zdirect.order_items (
  `order_id` string,
  `order_date` timestamp,
  `order_modified_at` timestamp,
  `created_by` string,
  `created_at` timestamp,
  `modified_by` string,
  `modified_at` timestamp,
  `order_item_id` string,
  `article_id` string,
  `external_id` string,
  `description` string,
  `quantity_initial` bigint,
  `quantity_reserved` bigint,
  `quantity_shipped` bigint,
  `quantity_returned` bigint,
  `quantity_canceled` bigint,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/order_items/';
MSCK REPAIR TABLE zdirect.order_items;

CREATE EXTERNAL TABLE zdirect.order_items_current (
  `order_id` string,
  `order_date` timestamp,
  `order_modified_at` timestamp,
  `created_by` string,
  `created_at` timestamp,
  `modified_by` string,
  `modified_at` timestamp,
  `order_item_id` string,
  `article_id` string,
  `external_id` string,
  `description` string,
  `quantity_initial` bigint,
  `quantity_reserved` bigint,
  `quantity_shipped` bigint,
  `quantity_returned` bigint,
  `quantity_canceled` bigint,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/order_items_current/';
MSCK REPAIR TABLE zdirect.order_items_current;

CREATE EXTERNAL TABLE zdirect.order_lines (
  `order_id` string,
  `order_date` timestamp,
  `order_modified_at` timestamp,
  `created_by` string,
  `created_at` timestamp,
  `modified_by` string,
  `modified_at` timestamp,
  `order_line_id` string,
  `order_item_id` string,
  `status` string,
  `price` struct<`amount`:decimal(38,18), `currency`:string>,
  `discounted_price` struct<`amount`:decimal(38,18), `currency`:string>,
  `refunds` array<struct<`date`:string, `amount`:decimal(38,18), `reason`:string, `trigger`:string, `currency`:string>>,
  `source_stock_location_id` string,
  `outbound_logistic_center_id` string,
  `return_stock_location_id` string,
  `merchant_specified_identifier` struct<`type`:string, `value`:string>,
  `transitions` array<struct<`original_status`:string, `final_status`:string, `created_at`:timestamp, `created_by`:string, `transition_reason`:struct<`code`:string, `description`:string>>>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/order_lines/';
MSCK REPAIR TABLE zdirect.order_lines;

CREATE EXTERNAL TABLE zdirect.order_lines_current (
  `order_id` string,
  `order_date` timestamp,
  `order_modified_at` timestamp,
  `created_by` string,
  `created_at` timestamp,
  `modified_by` string,
  `modified_at` timestamp,
  `order_line_id` string,
  `order_item_id` string,
  `status` string,
  `price` struct<`amount`:decimal(38,18), `currency`:string>,
  `discounted_price` struct<`amount`:decimal(38,18), `currency`:string>,
  `refunds` array<struct<`date`:string, `amount`:decimal(38,18), `reason`:string, `trigger`:string, `currency`:string>>,
  `source_stock_location_id` string,
  `outbound_logistic_center_id` string,
  `return_stock_location_id` string,
  `merchant_specified_identifier` struct<`type`:string, `value`:string>,
  `transitions` array<struct<`original_status`:string, `final_status`:string, `created_at`:timestamp, `created_by`:string, `transition_reason`:struct<`code`:string, `description`:string>>>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/order_lines_current/';
MSCK REPAIR TABLE zdirect.order_lines_current;

CREATE EXTERNAL TABLE zdirect.announced_returns (
  `announced_return_id` string,
  `return_registered_at` timestamp,
  `sales_channel_id` string,
  `return_tracking_number` string,
  `type` string,
  `orders` array<struct<`order_id`:string, `order_number`:string, `merchant_order_id`:string, `order_lines`:array<struct<`order_line_id`:string, `order_item_id`:string, `return_reason`:string>>>>,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/announced_returns/';
MSCK REPAIR TABLE zdirect.announced_returns;

CREATE EXTERNAL TABLE zdirect.order_deletion_requests (
  `order_id` string,
  `order_number` string,
  `api_merchant_id` string,
  `sales_channel_id` string,
  `requested_at` timestamp,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/order_deletion_requests/';
MSCK REPAIR TABLE zdirect.order_deletion_requests;

CREATE EXTERNAL TABLE zdirect.order_deletion_requests_current (
  `order_id` string,
  `order_number` string,
  `api_merchant_id` string,
  `sales_channel_id` string,
  `requested_at` timestamp,
  `_merchant_id` string,
  `_environment` string,
  `_window_from` timestamp,
  `_window_to` timestamp,
  `_extracted_at` timestamp,
  `_record_hash` bigint,
  `_unknown_fields` string,
  `_valid_from` timestamp,
  `_valid_to` timestamp
)
PARTITIONED BY (`merchant_id` string, `date` date)
STORED AS PARQUET
LOCATION 's3://my-bucket/zdirect/order_deletion_requests_current/';
MSCK REPAIR TABLE zdirect.order_deletion_requests_current;
