package orders;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Objects to JSON and back, with Jackson. */
final class Json {
  /** Strict on types: a number in quotes is malformed, as it is for the hub. */
  static final ObjectMapper MAPPER =
      JsonMapper.builder()
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
          .build();

  private Json() {}

  static <T> Serde<T> serde(Class<T> type) {
    ObjectReader reader = MAPPER.readerFor(type);
    ObjectWriter writer = MAPPER.writerFor(type);
    return Serdes.serdeFrom(
        (topic, value) -> value == null ? null : write(writer, topic, value),
        (topic, bytes) -> bytes == null ? null : read(reader, topic, bytes));
  }

  private static byte[] write(ObjectWriter writer, String topic, Object value) {
    try {
      return writer.writeValueAsBytes(value);
    } catch (JsonProcessingException cause) {
      throw new SerializationException("cannot write a record of " + topic, cause);
    }
  }

  private static <T> T read(ObjectReader reader, String topic, byte[] bytes) {
    try {
      return reader.readValue(bytes);
    } catch (IOException cause) {
      throw new SerializationException("cannot read a record of " + topic, cause);
    }
  }
}
