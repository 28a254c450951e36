// Package secretaudit records the access to a secret in an otel-audit trail, strictly: the gateway answers after the commit.
package secretaudit

import (
	"context"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Audit may be used by several goroutines.
type Audit struct {
	tracer   trace.Tracer
	exporter sdktrace.SpanExporter
	timeout  time.Duration
}

// Fields are those of docs/span-event.md, without "secret_audit.". The secret never is one.
type Fields map[string]string

// New returns an Audit for the gateway or collector at endpoint. The timeout is that of a record: 5 s straight to a gateway, 10 s
// behind a collector. Options are those of the exporter: headers, TLS.
func New(ctx context.Context, service, endpoint string, timeout time.Duration, options ...otlptracehttp.Option) (*Audit, error) {
	given := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(endpoint + "/v1/traces"),
		otlptracehttp.WithTimeout(timeout),
	}
	exporter, err := otlptracehttp.New(ctx, append(given, options...)...)
	if err != nil {
		return nil, err
	}
	// A provider of its own: its sampler is always on, whatever that of the application says.
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", service))),
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
	)
	return &Audit{provider.Tracer("secret-audit"), exporter, timeout}, nil
}

// Record returns nil when the access is committed. After an error it may not be: do not release the secret.
func (a *Audit) Record(ctx context.Context, credential, operation, outcome string, fields Fields) error {
	values := map[string]string{}
	for key, value := range fields {
		values[key] = value
	}
	values["credential"], values["operation"], values["outcome"], values["schema"] = credential, operation, outcome, "1"
	chars := 0
	attributes := make([]attribute.KeyValue, 0, len(values)+1)
	for key, value := range values {
		chars += utf8.RuneCountInString(value)
		attributes = append(attributes, attribute.String("secret_audit."+key, value))
	}
	// By it the gateway sees when an SDK has cut a value.
	attributes = append(attributes, attribute.String("secret_audit.chars", strconv.Itoa(chars)))

	_, span := a.tracer.Start(ctx, "secret_audit "+operation)
	span.AddEvent("secret.access", trace.WithAttributes(attributes...))
	span.End()
	ended, ok := span.(sdktrace.ReadOnlySpan)
	if !ok {
		return fmt.Errorf("the access to %s could not be recorded: its span is not recording", credential)
	}
	// The exporter's own time-out is that of one attempt; it makes some for a minute.
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	// A span processor would hide the answer.
	if err := a.exporter.ExportSpans(ctx, []sdktrace.ReadOnlySpan{ended}); err != nil {
		return fmt.Errorf("the access to %s could not be recorded: %w", credential, err)
	}
	return nil
}
