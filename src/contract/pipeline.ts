import type { SnowflakeGenerator } from '../event/snowflake.js'
import type { Ticket } from './ticket.js'

/** The identity a pipeline gives to every event it takes. */
export interface ServiceIdentity {
  readonly serviceName?: string | undefined
  readonly serviceInstanceId?: string | undefined
}

/** How a ticket came: claimed by a span processor, or straight from the helper because the trace could not carry it. */
export type TicketRoute = 'trace' | 'direct'

/** What holds for records whose service was not told otherwise. */
export interface RecordPolicy {
  isStrict(credential: string, operation: string): boolean
  /** How long a strict caller waits, in ms. */
  deadlineMs(credential: string, operation: string): number
}

/** What holds for all records of a pipeline. Read at each of them: whoever owns it may change it. */
export interface RecordContext {
  readonly identity: ServiceIdentity
  /** Default: no record is strict, and strict callers wait for 5 s. */
  readonly policy?: RecordPolicy | undefined
  /** Whether the span event also has the attributes of the draft audit-log conventions. Default: no. */
  readonly auditLogDraft?: boolean | undefined
}

/** What the helper hands its tickets to. `DurableAuditExporter` is one. */
export interface AuditPipeline extends RecordContext {
  readonly ids: SnowflakeGenerator
  /** Whether records appear in the trace as well. `false` only where nothing is recorded at all. */
  readonly tracing: boolean
  /** Takes a sealed ticket. MUST NOT throw, and MUST answer a strict ticket within its deadline. */
  submit(ticket: Ticket, route: TicketRoute): void
}
