/** What OTLP calls AnyValue, as far as it is used. Lists, maps, bytes and text that is not UTF-8 are of no use: {@link UNUSABLE}. */
export type OtlpValue = string | boolean | bigint | number | typeof UNUSABLE

/** A value that no field of an event can have. */
export const UNUSABLE: object = Object.freeze({})

/** Attributes by their keys; of a key that comes twice the last one. Without a prototype. */
export type OtlpAttributes = Readonly<Record<string, OtlpValue>>

/** One `secret.access` event, on a span or as a log record, as it came. */
export interface FoundEvent {
  /** 32 hex digits; empty: none, or one that is not valid. */
  readonly traceId: string
  /** 16 hex digits; empty as above. */
  readonly spanId: string
  /** ns since the Unix epoch. */
  readonly timeNanos: bigint
  /** Which of the `secret.access` events of its span it is, from 0. */
  readonly ordinal: number
  readonly attributes: OtlpAttributes
  /** Of the resource. */
  readonly resource: OtlpAttributes
  /** The SDK says that it left out attributes of it, or events of its span. */
  readonly isIncomplete: boolean
  /** How {@link raw} is to be read. */
  readonly format: RawFormat
  /** The event alone, as it came. */
  raw(): Buffer
}

type RawFormat = 'span-event/protobuf' | 'log-record/protobuf' | 'span-event/json' | 'log-record/json'

/** What a request is of. */
export type Signal = 'traces' | 'logs'

/** The bytes are not a message of the protocol. What was found before them stays found. */
export class Malformed extends Error {
  override readonly name = 'Malformed'
}
