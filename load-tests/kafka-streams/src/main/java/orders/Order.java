package orders;

import java.util.List;
import java.util.Map;

/** An order as each topic holds it. The fields are named as in the JSON. */
final class Order {
  /** Currencies that the pipeline knows, and the rate into euro. */
  static final Map<String, Double> RATES = Map.of("EUR", 1.0, "USD", 0.92, "GBP", 1.17);

  private Order() {}

  /** As the shop writes it: any field may be missing. */
  static final class Raw {
    public String order_id;
    public Long customer_id;
    public String ts;
    public String country;
    public String status;
    public String currency;
    public List<Item> items;
    public String email;

    boolean isComplete() {
      return order_id != null
          && customer_id != null
          && ts != null
          && country != null
          && status != null
          && email != null
          && currency != null
          && RATES.containsKey(currency)
          && items != null
          && !items.isEmpty()
          && items.stream().allMatch(Item::isComplete);
    }
  }

  static final class Item {
    public String sku;
    public Integer qty;
    public Double price;

    boolean isComplete() {
      return sku != null && qty != null && qty > 0 && price != null;
    }
  }

  static final class Extracted {
    public String order_id;
    public long customer_id;
    public long ts_ms;
    public String country;
    public String status;
    public String currency;
    public List<Item> items;
    public String email;
  }

  static final class Transformed {
    public String order_id;
    public long customer_id;
    public long ts_ms;
    public String country;
    public String currency;
    public double total;
    public String email_sha256;
  }

  static final class Loaded {
    public String order_id;
    public long customer_id;
    public long ts_ms;
    public String country;
    public double total;
  }
}
