package orders;

import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;

/**
 * The orders pipeline as one Kafka Streams application, chained through topics.
 *
 * <p>Environment: BOOTSTRAP, INPUT (topic), PREFIX (of the output topics and the application id),
 * STATE_DIR, THREADS, GUARANTEE. Runs until SIGTERM.
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws InterruptedException {
    KafkaStreams streams = new KafkaStreams(topology(), settings());
    streams.setUncaughtExceptionHandler(
        failure -> {
          failure.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
    CountDownLatch stopped = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close(Duration.ofSeconds(10));
                  stopped.countDown();
                }));
    streams.start();
    stopped.await();
  }

  private static Topology topology() {
    String prefix = variable("PREFIX");
    Serde<byte[]> bytes = Serdes.ByteArray();
    Serde<Order.Extracted> extracted = Json.serde(Order.Extracted.class);
    Serde<Order.Transformed> transformed = Json.serde(Order.Transformed.class);
    Serde<Order.Loaded> loaded = Json.serde(Order.Loaded.class);
    StreamsBuilder builder = new StreamsBuilder();

    Map<String, KStream<byte[], Stages.Outcome>> outcomes =
        builder.stream(variable("INPUT"), Consumed.with(bytes, bytes))
            .mapValues(Stages::extract)
            .split(Named.as("extract-"))
            .branch((key, outcome) -> outcome.isOrder(), Branched.as("orders"))
            .defaultBranch(Branched.as("dead-letters"));
    outcomes
        .get("extract-orders")
        .mapValues(Stages.Outcome::order)
        .to(prefix + "orders.extracted", Produced.with(bytes, extracted));
    outcomes
        .get("extract-dead-letters")
        .mapValues(Stages.Outcome::deadLetter)
        .to(prefix + "orders.dlq", Produced.with(bytes, bytes));

    builder.stream(prefix + "orders.extracted", Consumed.with(bytes, extracted))
        .filter((key, order) -> Stages.isPaid(order))
        .mapValues(Stages::transform)
        .to(prefix + "orders.transformed", Produced.with(bytes, transformed));

    builder.stream(prefix + "orders.transformed", Consumed.with(bytes, transformed))
        .mapValues(Stages::load)
        .to(prefix + "orders.loaded", Produced.with(bytes, loaded));
    return builder.build();
  }

  /** Tuned for throughput, so that the comparison is with Kafka Streams at its best. */
  private static Properties settings() {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, variable("PREFIX") + "kafka-streams");
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, variable("BOOTSTRAP"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, variable("STATE_DIR"));
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, variable("THREADS"));
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, variable("GUARANTEE"));
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "100");
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
    settings.put("auto.offset.reset", "earliest");
    settings.put("max.poll.records", "5000");
    settings.put("fetch.max.wait.ms", "50");
    settings.put("producer.compression.type", "lz4");
    settings.put("producer.batch.size", "262144");
    settings.put("producer.linger.ms", "20");
    settings.put("producer.buffer.memory", "134217728");
    return settings;
  }

  private static String variable(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalArgumentException("the environment variable " + name + " is not set");
    }
    return value;
  }
}
