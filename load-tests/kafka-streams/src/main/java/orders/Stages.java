package orders;

import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.HexFormat;

/** What the three stages do to a record. No Kafka here. */
final class Stages {
  private static final ObjectReader RAW = Json.MAPPER.readerFor(Order.Raw.class);

  private static final ThreadLocal<MessageDigest> SHA_256 = ThreadLocal.withInitial(Stages::sha256);

  private Stages() {}

  /** What extract makes of a record: an order, or the bytes as they came for the dead letters. */
  record Outcome(Order.Extracted order, byte[] deadLetter) {
    boolean isOrder() {
      return order != null;
    }
  }

  static Outcome extract(byte[] bytes) {
    try {
      Order.Raw raw = RAW.readValue(bytes);
      if (raw.isComplete()) {
        return new Outcome(extracted(raw), null);
      }
    } catch (IOException | DateTimeException malformed) {
      // A dead letter, as an incomplete order is.
    }
    return new Outcome(null, bytes);
  }

  private static Order.Extracted extracted(Order.Raw raw) {
    Order.Extracted order = new Order.Extracted();
    order.order_id = raw.order_id;
    order.customer_id = raw.customer_id;
    order.ts_ms = Instant.parse(raw.ts).toEpochMilli();
    order.country = raw.country.toUpperCase();
    order.status = raw.status;
    order.currency = raw.currency;
    order.items = raw.items;
    order.email = raw.email;
    return order;
  }

  static boolean isPaid(Order.Extracted order) {
    return order.status.equals("paid");
  }

  static Order.Transformed transform(Order.Extracted order) {
    double sum = 0;
    for (Order.Item item : order.items) {
      sum += item.qty * item.price;
    }
    Order.Transformed transformed = new Order.Transformed();
    transformed.order_id = order.order_id;
    transformed.customer_id = order.customer_id;
    transformed.ts_ms = order.ts_ms;
    transformed.country = order.country;
    transformed.currency = order.currency;
    transformed.total = sum * Order.RATES.get(order.currency);
    byte[] email = order.email.getBytes(StandardCharsets.UTF_8);
    transformed.email_sha256 = HexFormat.of().formatHex(SHA_256.get().digest(email));
    return transformed;
  }

  static Order.Loaded load(Order.Transformed order) {
    Order.Loaded loaded = new Order.Loaded();
    loaded.order_id = order.order_id;
    loaded.customer_id = order.customer_id;
    loaded.ts_ms = order.ts_ms;
    loaded.country = order.country;
    loaded.total = order.total;
    return loaded;
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException missing) {
      throw new IllegalStateException("every JDK has SHA-256", missing);
    }
  }
}
