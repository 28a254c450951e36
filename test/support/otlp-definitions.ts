import { createRequire } from 'node:module'

/** Options of `toObject` of protobufjs: what is absent stays absent, and nothing is rounded. */
const EXACT = { longs: String, bytes: Array, enums: Number, oneofs: true, defaults: false } as const

interface MessageType {
  decode(bytes: Uint8Array): object
  toObject(message: object, options: object): Record<string, unknown>
}

interface Generated {
  readonly opentelemetry: {
    readonly proto: {
      readonly collector: { readonly trace: { readonly v1: { ExportTraceServiceRequest: MessageType } } }
    }
  }
}

/**
 * A trace request, decoded by what protobufjs generates from the `.proto` files of OTLP. They are in the versions of the
 * OpenTelemetry transformer that still used them.
 */
export function decodeByDefinitions(bytes: Uint8Array): Record<string, unknown> {
  const require = createRequire(import.meta.url)
  const { opentelemetry } = require('otlp-definitions/build/src/generated/root.js') as Generated
  const { ExportTraceServiceRequest } = opentelemetry.proto.collector.trace.v1
  return ExportTraceServiceRequest.toObject(ExportTraceServiceRequest.decode(bytes), EXACT)
}
