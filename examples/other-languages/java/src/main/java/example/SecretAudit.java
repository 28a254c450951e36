package example;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * Records the access to a secret in an otel-audit trail, strictly: the gateway answers after the commit. Safe for use by
 * several threads.
 */
public final class SecretAudit implements AutoCloseable {
  /** The access may not be in the trail: do not release the secret. */
  public static final class NotRecorded extends Exception {
    NotRecorded(String credential, Throwable cause) {
      super("the access to " + credential + " could not be recorded", cause);
    }
  }

  private final Tracer tracer;
  private final OtlpHttpSpanExporter exporter;
  private final Duration timeout;

  /**
   * @param timeout 5 s straight to a gateway, 10 s behind a collector
   */
  public SecretAudit(String service, String endpoint, Duration timeout) {
    this.timeout = timeout;
    exporter =
        OtlpHttpSpanExporter.builder().setEndpoint(endpoint + "/v1/traces").setTimeout(timeout).build();
    // A provider of its own: its sampler is always on, whatever that of the application says.
    tracer =
        SdkTracerProvider.builder()
            .setResource(Resource.create(Attributes.of(AttributeKey.stringKey("service.name"), service)))
            .setSampler(Sampler.alwaysOn())
            .build()
            .get("secret-audit");
  }

  /**
   * Returns when the access is committed.
   *
   * @param fields those of docs/span-event.md, without "secret_audit."; the secret never is one
   */
  public void record(String credential, String operation, String outcome, Map<String, String> fields)
      throws NotRecorded {
    var values = new TreeMap<>(fields);
    values.putAll(
        Map.of("credential", credential, "operation", operation, "outcome", outcome, "schema", "1"));
    var attributes = Attributes.builder();
    int chars = 0;
    for (var field : values.entrySet()) {
      chars += field.getValue().codePointCount(0, field.getValue().length());
      attributes.put("secret_audit." + field.getKey(), field.getValue());
    }
    // By it the gateway sees when an SDK has cut a value.
    attributes.put("secret_audit.chars", Integer.toString(chars));
    Span span = tracer.spanBuilder("secret_audit " + operation).startSpan();
    span.addEvent("secret.access", attributes.build());
    span.end();
    // A span processor would hide the answer.
    var result = exporter.export(List.of(((ReadableSpan) span).toSpanData()));
    result.join(timeout.toMillis(), TimeUnit.MILLISECONDS);
    if (!result.isSuccess()) throw new NotRecorded(credential, result.getFailureThrowable());
  }

  @Override
  public void close() {
    exporter.close();
  }
}
