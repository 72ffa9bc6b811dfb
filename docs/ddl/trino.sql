-- Generated from the datasets table by make docs; do not edit. docs/reading.md says how to use it.

CREATE SCHEMA IF NOT EXISTS hive.zdirect;

CREATE TABLE hive.zdirect.received_items (
  "zalando_advice_id" varchar,
  "ean" varchar,
  "quality_label" varchar,
  "location_id" varchar,
  "received_timestamp" timestamp,
  "merchant_article_id" varchar,
  "merchant_item_id" varchar,
  "merchant_b2b_reference" varchar,
  "parent" row("id" varchar),
  "consumed_timestamp" timestamp,
  "tour_number" varchar,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/received_items/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'received_items', 'FULL');

CREATE TABLE hive.zdirect.returned_items (
  "quality_label" varchar,
  "consumed_timestamp" timestamp,
  "ean" varchar,
  "merchant_b2b_reference" varchar,
  "parent" row("id" varchar),
  "location_id" varchar,
  "shipped_timestamp" timestamp,
  "zalando_shipment_number" varchar,
  "destination" row("city" varchar, "country_code" varchar, "first_name" varchar, "last_name" varchar, "salutation" varchar, "street" varchar, "zip" varchar),
  "quality_category" varchar,
  "defect_levels" row("level_1" varchar, "level_2" varchar),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/returned_items/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'returned_items', 'FULL');

CREATE TABLE hive.zdirect.liquidated_items (
  "merchant_name" varchar,
  "api_merchant_id" varchar,
  "purchase_order_number" varchar,
  "shipping_notice_number" varchar,
  "ean" varchar,
  "sku_simple" varchar,
  "quantity" bigint,
  "stock_location_id" varchar,
  "liquidation_date" date,
  "reporting_date" date,
  "average_price_per_item" decimal(38,18),
  "total_price" decimal(38,18),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/liquidated_items/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'liquidated_items', 'FULL');

CREATE TABLE hive.zdirect.intra_community_movements (
  "report_date" date,
  "transaction_date" date,
  "product_sku" varchar,
  "ean" varchar,
  "merchant_sku" varchar,
  "quantity" bigint,
  "source_stock_location" row("location_id" varchar, "name" varchar, "country_code" varchar),
  "destination_stock_location" row("location_id" varchar, "name" varchar, "country_code" varchar),
  "order_number" varchar,
  "movement_type" varchar,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/intra_community_movements/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'intra_community_movements', 'FULL');

CREATE TABLE hive.zdirect.cross_border_movements (
  "movement_id" varchar,
  "report_date" date,
  "transaction_date" date,
  "product_sku" varchar,
  "ean" varchar,
  "merchant_sku" varchar,
  "movement_type" varchar,
  "source_stock_location" row("location_id" varchar, "name" varchar, "country_code" varchar, "inbound_active" boolean, "outbound_active" boolean),
  "destination_stock_location" row("location_id" varchar, "name" varchar, "country_code" varchar, "inbound_active" boolean, "outbound_active" boolean),
  "order_id" varchar,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/cross_border_movements/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'cross_border_movements', 'FULL');

CREATE TABLE hive.zdirect.item_quantity_snapshots (
  "ean" varchar,
  "stock_location_id" varchar,
  "quantities_by_state" row("offerable" bigint, "non_offerable" bigint),
  "total_quantity" bigint,
  "total_quantities_by_state" row("offerable" bigint, "non_offerable" bigint),
  "created" timestamp,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/item_quantity_snapshots/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'item_quantity_snapshots', 'FULL');

CREATE TABLE hive.zdirect.item_quantities (
  "ean" varchar,
  "stock_location_id" varchar,
  "quantities_by_state" row("offerable" bigint, "non_offerable" bigint),
  "total_quantity" bigint,
  "total_quantities_by_state" row("offerable" bigint, "non_offerable" bigint),
  "observed_at" timestamp,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/item_quantities/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'item_quantities', 'FULL');

CREATE TABLE hive.zdirect.stock_locations (
  "id" varchar,
  "name" varchar,
  "type" varchar,
  "abbreviation" varchar,
  "location" row("name" varchar, "street" varchar, "postal_code" varchar, "city" varchar, "country_code" varchar, "latitude" double, "longitude" double),
  "valid_from" timestamp,
  "capabilities" array(varchar),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/stock_locations/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'stock_locations', 'FULL');

CREATE TABLE hive.zdirect.stock_locations_current (
  "id" varchar,
  "name" varchar,
  "type" varchar,
  "abbreviation" varchar,
  "location" row("name" varchar, "street" varchar, "postal_code" varchar, "city" varchar, "country_code" varchar, "latitude" double, "longitude" double),
  "valid_from" timestamp,
  "capabilities" array(varchar),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/stock_locations_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'stock_locations_current', 'FULL');

CREATE TABLE hive.zdirect.sales_channels (
  "sales_channel_id" varchar,
  "country_name" varchar,
  "country_code" varchar,
  "live" boolean,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/sales_channels/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'sales_channels', 'FULL');

CREATE TABLE hive.zdirect.sales_channels_current (
  "sales_channel_id" varchar,
  "country_name" varchar,
  "country_code" varchar,
  "live" boolean,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/sales_channels_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'sales_channels_current', 'FULL');

CREATE TABLE hive.zdirect.logistic_centers (
  "logistic_center_id" varchar,
  "name" varchar,
  "type" varchar,
  "address" row("street" varchar, "additional" varchar, "zip" varchar, "city" varchar, "country_code" varchar),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/logistic_centers/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'logistic_centers', 'FULL');

CREATE TABLE hive.zdirect.logistic_centers_current (
  "logistic_center_id" varchar,
  "name" varchar,
  "type" varchar,
  "address" row("street" varchar, "additional" varchar, "zip" varchar, "city" varchar, "country_code" varchar),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/logistic_centers_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'logistic_centers_current', 'FULL');

CREATE TABLE hive.zdirect.shipping_notices (
  "shipping_notice_id" varchar,
  "zalando_merchant_id" varchar,
  "zalando_advice_id" varchar,
  "state" varchar,
  "carrier_name" varchar,
  "requested_zalando_location_id" varchar,
  "requested_zalando_location_name" varchar,
  "pallets_count" bigint,
  "colli_count" bigint,
  "hanging_goods_count" bigint,
  "announced_item_count" bigint,
  "dispatch_item_count" bigint,
  "earliest_delivery_date" date,
  "confirmed_delivery_date" timestamp,
  "merchant_b2b_reference" varchar,
  "contact_name" varchar,
  "contact_email" varchar,
  "additional_contact_email" varchar,
  "comments" varchar,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/shipping_notices/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'shipping_notices', 'FULL');

CREATE TABLE hive.zdirect.shipping_notices_current (
  "shipping_notice_id" varchar,
  "zalando_merchant_id" varchar,
  "zalando_advice_id" varchar,
  "state" varchar,
  "carrier_name" varchar,
  "requested_zalando_location_id" varchar,
  "requested_zalando_location_name" varchar,
  "pallets_count" bigint,
  "colli_count" bigint,
  "hanging_goods_count" bigint,
  "announced_item_count" bigint,
  "dispatch_item_count" bigint,
  "earliest_delivery_date" date,
  "confirmed_delivery_date" timestamp,
  "merchant_b2b_reference" varchar,
  "contact_name" varchar,
  "contact_email" varchar,
  "additional_contact_email" varchar,
  "comments" varchar,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/shipping_notices_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'shipping_notices_current', 'FULL');

CREATE TABLE hive.zdirect.tours (
  "tour_number" varchar,
  "zalando_advice_id" varchar,
  "shipping_notice_id" varchar,
  "type" varchar,
  "from_location" varchar,
  "to_location" varchar,
  "planned_arrival_time_at_dock" timestamp,
  "planned_arrival_time_at_yard" timestamp,
  "planned_amount_of_loading_units" row("pallets" bigint, "colli" bigint, "hanging_garments" bigint),
  "actual_amount_of_loading_units" row("pallets" bigint, "colli" bigint, "hanging_garments" bigint),
  "current_status" row("status" varchar, "status_text" varchar, "last_updated" timestamp),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/tours/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'tours', 'FULL');

CREATE TABLE hive.zdirect.tours_current (
  "tour_number" varchar,
  "zalando_advice_id" varchar,
  "shipping_notice_id" varchar,
  "type" varchar,
  "from_location" varchar,
  "to_location" varchar,
  "planned_arrival_time_at_dock" timestamp,
  "planned_arrival_time_at_yard" timestamp,
  "planned_amount_of_loading_units" row("pallets" bigint, "colli" bigint, "hanging_garments" bigint),
  "actual_amount_of_loading_units" row("pallets" bigint, "colli" bigint, "hanging_garments" bigint),
  "current_status" row("status" varchar, "status_text" varchar, "last_updated" timestamp),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/tours_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'tours_current', 'FULL');

CREATE TABLE hive.zdirect.orders (
  "order_id" varchar,
  "order_number" varchar,
  "merchant_order_id" varchar,
  "order_type" varchar,
  "status" varchar,
  "exported" boolean,
  "order_date" timestamp,
  "sales_channel_id" varchar,
  "api_merchant_id" varchar,
  "stock_location_id" varchar,
  "logistics_provider_id" varchar,
  "shipment_number" varchar,
  "tracking_number" varchar,
  "return_tracking_number" varchar,
  "locale" varchar,
  "customer_number" varchar,
  "customer_email" varchar,
  "customer_phone" row("number" varchar),
  "shipping_address" row("address_id" varchar, "first_name" varchar, "last_name" varchar, "address_type" varchar, "address_line_1" varchar, "address_line_2" varchar, "address_line_3" varchar, "zip_code" varchar, "city" varchar, "country_code" varchar, "service_point_details" row("service_point_name" varchar, "service_point_id" varchar, "service_point_member_id" varchar)),
  "billing_address" row("address_id" varchar, "first_name" varchar, "last_name" varchar, "address_type" varchar, "address_line_1" varchar, "address_line_2" varchar, "address_line_3" varchar, "zip_code" varchar, "city" varchar, "country_code" varchar, "service_point_details" row("service_point_name" varchar, "service_point_id" varchar, "service_point_member_id" varchar)),
  "order_lines_count" bigint,
  "order_lines_price_amount" decimal(38,18),
  "order_lines_price_currency" varchar,
  "shipping_costs" row("amount" decimal(38,18), "currency" varchar),
  "delivery_end_date" timestamp,
  "created_by" varchar,
  "created_at" timestamp,
  "modified_by" varchar,
  "modified_at" timestamp,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/orders/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'orders', 'FULL');

CREATE TABLE hive.zdirect.orders_current (
  "order_id" varchar,
  "order_number" varchar,
  "merchant_order_id" varchar,
  "order_type" varchar,
  "status" varchar,
  "exported" boolean,
  "order_date" timestamp,
  "sales_channel_id" varchar,
  "api_merchant_id" varchar,
  "stock_location_id" varchar,
  "logistics_provider_id" varchar,
  "shipment_number" varchar,
  "tracking_number" varchar,
  "return_tracking_number" varchar,
  "locale" varchar,
  "customer_number" varchar,
  "customer_email" varchar,
  "customer_phone" row("number" varchar),
  "shipping_address" row("address_id" varchar, "first_name" varchar, "last_name" varchar, "address_type" varchar, "address_line_1" varchar, "address_line_2" varchar, "address_line_3" varchar, "zip_code" varchar, "city" varchar, "country_code" varchar, "service_point_details" row("service_point_name" varchar, "service_point_id" varchar, "service_point_member_id" varchar)),
  "billing_address" row("address_id" varchar, "first_name" varchar, "last_name" varchar, "address_type" varchar, "address_line_1" varchar, "address_line_2" varchar, "address_line_3" varchar, "zip_code" varchar, "city" varchar, "country_code" varchar, "service_point_details" row("service_point_name" varchar, "service_point_id" varchar, "service_point_member_id" varchar)),
  "order_lines_count" bigint,
  "order_lines_price_amount" decimal(38,18),
  "order_lines_price_currency" varchar,
  "shipping_costs" row("amount" decimal(38,18), "currency" varchar),
  "delivery_end_date" timestamp,
  "created_by" varchar,
  "created_at" timestamp,
  "modified_by" varchar,
  "modified_at" timestamp,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/orders_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'orders_current', 'FULL');

CREATE TABLE hive.zdirect.order_items (
  "order_id" varchar,
  "order_date" timestamp,
  "order_modified_at" timestamp,
  "created_by" varchar,
  "created_at" timestamp,
  "modified_by" varchar,
  "modified_at" timestamp,
  "order_item_id" varchar,
  "article_id" varchar,
  "external_id" varchar,
  "description" varchar,
  "quantity_initial" bigint,
  "quantity_reserved" bigint,
  "quantity_shipped" bigint,
  "quantity_returned" bigint,
  "quantity_canceled" bigint,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/order_items/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'order_items', 'FULL');

CREATE TABLE hive.zdirect.order_items_current (
  "order_id" varchar,
  "order_date" timestamp,
  "order_modified_at" timestamp,
  "created_by" varchar,
  "created_at" timestamp,
  "modified_by" varchar,
  "modified_at" timestamp,
  "order_item_id" varchar,
  "article_id" varchar,
  "external_id" varchar,
  "description" varchar,
  "quantity_initial" bigint,
  "quantity_reserved" bigint,
  "quantity_shipped" bigint,
  "quantity_returned" bigint,
  "quantity_canceled" bigint,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/order_items_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'order_items_current', 'FULL');

CREATE TABLE hive.zdirect.order_lines (
  "order_id" varchar,
  "order_date" timestamp,
  "order_modified_at" timestamp,
  "created_by" varchar,
  "created_at" timestamp,
  "modified_by" varchar,
  "modified_at" timestamp,
  "order_line_id" varchar,
  "order_item_id" varchar,
  "status" varchar,
  "price" row("amount" decimal(38,18), "currency" varchar),
  "discounted_price" row("amount" decimal(38,18), "currency" varchar),
  "refunds" array(row("date" varchar, "amount" decimal(38,18), "reason" varchar, "trigger" varchar, "currency" varchar)),
  "source_stock_location_id" varchar,
  "outbound_logistic_center_id" varchar,
  "return_stock_location_id" varchar,
  "merchant_specified_identifier" row("type" varchar, "value" varchar),
  "transitions" array(row("original_status" varchar, "final_status" varchar, "created_at" timestamp, "created_by" varchar, "transition_reason" row("code" varchar, "description" varchar))),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/order_lines/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'order_lines', 'FULL');

CREATE TABLE hive.zdirect.order_lines_current (
  "order_id" varchar,
  "order_date" timestamp,
  "order_modified_at" timestamp,
  "created_by" varchar,
  "created_at" timestamp,
  "modified_by" varchar,
  "modified_at" timestamp,
  "order_line_id" varchar,
  "order_item_id" varchar,
  "status" varchar,
  "price" row("amount" decimal(38,18), "currency" varchar),
  "discounted_price" row("amount" decimal(38,18), "currency" varchar),
  "refunds" array(row("date" varchar, "amount" decimal(38,18), "reason" varchar, "trigger" varchar, "currency" varchar)),
  "source_stock_location_id" varchar,
  "outbound_logistic_center_id" varchar,
  "return_stock_location_id" varchar,
  "merchant_specified_identifier" row("type" varchar, "value" varchar),
  "transitions" array(row("original_status" varchar, "final_status" varchar, "created_at" timestamp, "created_by" varchar, "transition_reason" row("code" varchar, "description" varchar))),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/order_lines_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'order_lines_current', 'FULL');

CREATE TABLE hive.zdirect.announced_returns (
  "announced_return_id" varchar,
  "return_registered_at" timestamp,
  "sales_channel_id" varchar,
  "return_tracking_number" varchar,
  "type" varchar,
  "orders" array(row("order_id" varchar, "order_number" varchar, "merchant_order_id" varchar, "order_lines" array(row("order_line_id" varchar, "order_item_id" varchar, "return_reason" varchar)))),
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/announced_returns/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'announced_returns', 'FULL');

CREATE TABLE hive.zdirect.order_deletion_requests (
  "order_id" varchar,
  "order_number" varchar,
  "api_merchant_id" varchar,
  "sales_channel_id" varchar,
  "requested_at" timestamp,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/order_deletion_requests/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'order_deletion_requests', 'FULL');

CREATE TABLE hive.zdirect.order_deletion_requests_current (
  "order_id" varchar,
  "order_number" varchar,
  "api_merchant_id" varchar,
  "sales_channel_id" varchar,
  "requested_at" timestamp,
  "_merchant_id" varchar,
  "_environment" varchar,
  "_window_from" timestamp,
  "_window_to" timestamp,
  "_extracted_at" timestamp,
  "_record_hash" bigint,
  "_unknown_fields" varchar,
  "_valid_from" timestamp,
  "_valid_to" timestamp,
  "merchant_id" varchar,
  "date" date
)
WITH (
  external_location = 's3://my-bucket/zdirect/order_deletion_requests_current/',
  format = 'PARQUET',
  partitioned_by = ARRAY['merchant_id', 'date']
);
CALL hive.system.sync_partition_metadata('zdirect', 'order_deletion_requests_current', 'FULL');
