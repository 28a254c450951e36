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

/** What the helper hands its tickets to. `DurableAuditExporter` is one. */
export interface AuditPipeline {
  readonly ids: SnowflakeGenerator
  readonly identity: ServiceIdentity
  /** Whether records appear in the trace as well. `false` only where nothing is recorded at all. */
  readonly tracing: boolean
  /** Default: no record is strict, and strict callers wait for 5 s. */
  readonly policy?: RecordPolicy | undefined
  /** Takes a sealed ticket. MUST NOT throw, and MUST answer a strict ticket within its deadline. */
  submit(ticket: Ticket, route: TicketRoute): void
}

/** Events that were recorded while no pipeline was registered, by operation and outcome. */
export interface UnclaimedDrop {
  readonly operation: string
  readonly outcome: string
  count: number
}

interface Registry {
  readonly pipelines: AuditPipeline[]
  readonly unclaimed: Map<string, UnclaimedDrop>
}

// Shared by all copies of this package in the process, like the globals of the OpenTelemetry API.
const REGISTRY = Symbol.for('otel-audit.registry.v1')

function registry(): Registry {
  const holder = globalThis as { [REGISTRY]?: Registry }
  holder[REGISTRY] ??= { pipelines: [], unclaimed: new Map() }
  return holder[REGISTRY]
}

/** Makes a pipeline the one that helpers without a pipeline of their own use. The first registered one wins. */
export function registerPipeline(pipeline: AuditPipeline): void {
  const { pipelines } = registry()
  if (!pipelines.includes(pipeline)) pipelines.push(pipeline)
}

export function unregisterPipeline(pipeline: AuditPipeline): void {
  const { pipelines } = registry()
  const index = pipelines.indexOf(pipeline)
  if (index !== -1) pipelines.splice(index, 1)
}

export function registeredPipeline(): AuditPipeline | undefined {
  return registry().pipelines[0]
}

/** Notes an event that was dropped because there was no pipeline. @returns whether it was the first */
export function noteUnclaimed(operation: string, outcome: string): boolean {
  const { unclaimed } = registry()
  const key = `${operation} ${outcome}`
  const drop = unclaimed.get(key) ?? { operation, outcome, count: 0 }
  drop.count++
  unclaimed.set(key, drop)
  return unclaimed.size === 1 && drop.count === 1
}

/** Hands the drops noted so far to a pipeline that can report them. Each is handed out once. */
export function takeUnclaimed(): readonly UnclaimedDrop[] {
  const { unclaimed } = registry()
  const drops = [...unclaimed.values()]
  unclaimed.clear()
  return drops
}
