import { errorText } from '../../host/error-text.js'
import { diag } from '../../host/diagnostics.js'
import { TraceSerializer } from './otlp-serializer.js'
import type { SdkPackages, SpanExporterLike } from './packages.js'

export const PROTO_EXPORTER = '@opentelemetry/exporter-trace-otlp-proto'

interface Serializer {
  serializeRequest(spans: never): Uint8Array | undefined
  deserializeResponse(bytes: Uint8Array): unknown
}

/** What is used of the two packages that the SDK's own exporter is made of. */
interface ExporterBase {
  readonly OTLPExporterBase: new (delegate: unknown) => SpanExporterLike
}
interface NodeHttp {
  convertLegacyHttpOptions(config: object, signal: string, path: string, headers: object): unknown
  createOtlpHttpExportDelegate(
    options: unknown,
    serializer: Serializer,
    component: string,
    metricsHelper: unknown,
  ): unknown
}
interface Transformer {
  readonly ProtobufTraceSerializer: Serializer
  readonly TraceExporterMetricsHelper: unknown
}

/**
 * The exporter for `http/protobuf` as the SDK makes it from the environment, but for who serializes: transport, retries,
 * compression, headers and the reading of answers are the SDK's. Where its packages lack what that takes, it is the
 * SDK's exporter.
 */
export function exporterWithOwnSerializer(sdk: SdkPackages): SpanExporterLike {
  const load = (name: string): unknown => sdk.dependency(PROTO_EXPORTER, `@opentelemetry/${name}`)
  try {
    const { OTLPExporterBase } = load('otlp-exporter-base') as ExporterBase
    const http = load('otlp-exporter-base/node-http') as NodeHttp
    const transformer = load('otlp-transformer') as Transformer
    const stock = transformer.ProtobufTraceSerializer
    const own = new TraceSerializer()
    const options = http.convertLegacyHttpOptions({}, 'TRACES', 'v1/traces', {
      'Content-Type': 'application/x-protobuf',
    })
    return new OTLPExporterBase(
      http.createOtlpHttpExportDelegate(
        options,
        {
          serializeRequest: (spans) => own.serializeRequest(spans),
          deserializeResponse: (bytes) => stock.deserializeResponse(bytes),
        },
        'otlp_http_span_exporter',
        transformer.TraceExporterMetricsHelper,
      ),
    )
  } catch (error) {
    diag.warn(`otel-audit: otlpSerializer: this SDK's own is used: ${errorText(error)}`)
    return sdk.exporter(PROTO_EXPORTER, 'OTLPTraceExporter')
  }
}
