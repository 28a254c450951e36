"""Records the access to a secret in an otel-audit trail, strictly: the gateway answers after the commit."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON


class NotRecorded(Exception):
    """The access may not be in the trail: do not release the secret."""


class SecretAudit:
    """Safe for use by several threads. `timeout` is in seconds: 5 straight to a gateway, 10 behind a collector."""

    def __init__(self, service, endpoint, instance=None, timeout=5.0, headers=None):
        resource = {"service.name": service}
        if instance is not None:
            resource["service.instance.id"] = instance
        # A provider of its own: its sampler is always on, whatever that of the application says.
        provider = TracerProvider(resource=Resource.create(resource), sampler=ALWAYS_ON)
        self._tracer = provider.get_tracer("secret-audit")
        self._exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=timeout, headers=headers)

    def record(self, credential, operation, outcome, **fields):
        """Returns when the access is committed. `fields` as docs/span-event.md has them; the secret never is one.

        Raises NotRecorded."""
        values = {"credential": credential, "operation": operation, "outcome": outcome, "schema": "1"}
        values.update({key: str(value) for key, value in fields.items() if value is not None})
        # By it the gateway sees when an SDK has cut a value.
        values["chars"] = str(sum(len(value) for value in values.values()))
        span = self._tracer.start_span(f"secret_audit {operation}")
        span.add_event("secret.access", {f"secret_audit.{key}": value for key, value in values.items()})
        span.end()
        # A span processor would hide the answer.
        if self._exporter.export([span]) is not SpanExportResult.SUCCESS:
            raise NotRecorded(f"the access to {credential} could not be recorded")
