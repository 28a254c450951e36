export type { AuditLogger } from './host/diagnostics.js'
export { Audit, type CloseOptions, createAudit } from './audit/audit.js'
export {
  AuditError,
  type AuditErrorCode,
  type AuditErrorOptions,
  type AuditErrorSubject,
  ERROR_CATALOGUE,
  type RowFate,
} from './errors.js'
export type { AttributeValue, AuditAttributes } from './event/attributes.js'
export { encodeEvent, eventDigest } from './event/digest.js'
export {
  type ActorType,
  type AuditEvent,
  type AuditFields,
  buildEvent,
  type EventIdentity,
  rekeyEvent,
} from './event/event.js'
export { SnowflakeGenerator, type SnowflakeSource, snowflakeTime } from './event/snowflake.js'
export { Operation, Outcome } from './event/vocabulary.js'
export type { Fate } from './exporter/entry.js'
export { EXPORTER_DEFAULTS } from './exporter/bounds.js'
export {
  DurableAuditExporter,
  type DurableAuditExporterOptions,
  type SpanExportResult,
} from './exporter/exporter.js'
export type { GroupCommitBounds } from './exporter/share.js'
export type { BatchBounds, QueueBounds } from './exporter/queue.js'
export type { AuditStats, SettledListener, SpooledListener } from './exporter/fates.js'
export type { Coverage, CoverageState } from './instrument/coverage.js'
export { MemorySpool } from './spool/memory-spool.js'
export {
  type Spool,
  type SpooledEvent,
  type SpoolKey,
  SpoolRefusal,
  type SpoolStatus,
} from './spool/spool.js'
export type { SpoolMode } from './exporter/spooler.js'
export type { AuditOptions, AuditSettings } from './options/options.js'
export {
  AuditSpanProcessor,
  type AuditSpanProcessorOptions,
  type SpanPipeline,
} from './otel/processor.js'
export type { EndedSpan } from './otel/read-span.js'
export { AuditSampler, type AuditSamplingResult, type SamplerLike } from './otel/sampler.js'
export type { SelfTestReport } from './otel/self-test.js'
export type { SpanExporterLike, SpanProcessorLike } from './otel/sdk/packages.js'
export type { SdkConfiguration, WithAuditPipeline } from './otel/sdk/with-sdk.js'
export type { DeadlinePolicy } from './service/deadline.js'
export type { GuardedAccess, GuardFields, GuardOptions } from './service/guard.js'
export type { StrictPolicy } from './service/mode.js'
export type {
  AuditPipeline,
  RecordContext,
  RecordPolicy,
  ServiceIdentity,
  TicketRoute,
} from './contract/pipeline.js'
export type { RecordOptions } from './service/record-options.js'
export { SecretAuditService, type SecretAuditServiceOptions } from './service/service.js'
export type { Receipt, ReceiptJson, RowPlace, StoredRow } from './contract/receipt.js'
export type { AuditMode, Ticket, TicketAnswer } from './contract/ticket.js'
export { NoopAuditSink } from './sinks/noop.js'
export { PostgresAuditSink, type PostgresAuditSinkOptions } from './postgres/write/sink.js'
export { RecordingAuditSink, type ScriptedWrite } from './sinks/recording.js'
export type {
  AuditBatch,
  AuditSink,
  BatchEntry,
  BlockPlace,
  CommittedBlock,
  LostBlocks,
  SinkFault,
  HealthFinding,
  SinkOwner,
  WriteResult,
} from './contract/sink.js'
export { VERSION } from './version.js'
