import { performance, setImmediate } from '../host/globals.js'
import { type Attributes, type Link, ROOT_CONTEXT, type Span, trace, TraceFlags } from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import type { AuditEvent } from '../event/event.js'
import type { CommittedBlock } from '../contract/sink.js'
import { VERSION } from '../version.js'
import { ANCHOR_NAME, BLOCK_ATTRIBUTES, BLOCK_SPAN_NAME } from './span-event.js'

/** How often the whole note of a data block is emitted, in ms. */
const NOTE_EVERY_MS = 10_000

/** Of so many chains it is remembered when a note went out. A process has two, and more only if it leaves some. */
const MOST_CHAINS = 8

/** Links that the SDK keeps of a span. For each one more it says "Dropped" on stderr, which is no word for an audit log. */
const MOST_LINKS = 128

/**
 * Puts blocks out of reach of anyone who may change the database: into the trace and the log of the process.
 *
 * Each block becomes a span, linked to the audit spans of its rows and exported as the sampler decides. Now and then,
 * and when a chain rotates, idles or closes, the whole signed note goes along: as a log record, which is not sampled, or
 * where no logs are collected as an event on that span.
 */
export class BlockAnchors {
  /** By chain: when its last note was emitted. */
  readonly #notedAt = new Map<string, number>()
  #waiting: CommittedBlock[] = []

  /** After the commit. Never throws: what the application's tracer does changes nothing about the record. */
  emit(block: CommittedBlock): void {
    this.#waiting.push(block)
    // The callers that wait for the rows come first; what ends a chain may be the last thing that the process emits.
    if (block.kind !== 'data') this.#emitAll()
    else if (this.#waiting.length === 1) setImmediate(() => this.#emitAll())
  }

  #emitAll(): void {
    for (const block of this.#waiting.splice(0)) this.#emit(block)
  }

  #emit(block: CommittedBlock): void {
    try {
      const noted = this.#isNoteDue(block) ? attributesWithNote(block) : undefined
      const logged = noted !== undefined && logRecord(noted)
      const span = blockSpan(block)
      if (noted !== undefined && !logged) span.addEvent(ANCHOR_NAME, noted)
      span.end()
    } catch (error) {
      diag.warn('otel-audit: the tracer or logger threw; the block is not affected', error)
    }
  }

  #isNoteDue({ chain, kind }: CommittedBlock): boolean {
    const now = performance.now()
    const notedAt = this.#notedAt.get(chain)
    if (kind === 'data' && notedAt !== undefined && now - notedAt < NOTE_EVERY_MS) return false
    // The first rows follow genesis at once, and their note covers it.
    if (kind === 'genesis') return false
    this.#notedAt.delete(chain)
    this.#notedAt.set(chain, now)
    const [oldest] = this.#notedAt.keys()
    if (this.#notedAt.size > MOST_CHAINS && oldest !== undefined) this.#notedAt.delete(oldest)
    return true
  }
}

function blockSpan(block: CommittedBlock): Span {
  const all = block.entries.flatMap(({ event }) => linkTo(event))
  const links = all.slice(0, mostLinks())
  const omitted = all.length - links.length
  const attributes = {
    ...attributesOf(block),
    ...(omitted > 0 && { [BLOCK_ATTRIBUTES.linksOmitted]: omitted }),
  }
  return trace
    .getTracer('otel-audit', VERSION)
    .startSpan(BLOCK_SPAN_NAME, { attributes, links }, ROOT_CONTEXT)
}

/** The variable may lower what the SDK keeps; that it raises it helps nobody. */
function mostLinks(): number {
  const limit = process.env.OTEL_SPAN_LINK_COUNT_LIMIT ?? ''
  return /^\d{1,6}$/.test(limit) ? Math.min(MOST_LINKS, Number(limit)) : MOST_LINKS
}

function linkTo({ traceId, spanId }: AuditEvent): Link[] {
  if (traceId === null || spanId === null) return []
  return [{ context: { traceId, spanId, traceFlags: TraceFlags.NONE } }]
}

function attributesOf({ log, chain, block, kind, hash, entries }: CommittedBlock): Attributes {
  return {
    [BLOCK_ATTRIBUTES.log]: log,
    [BLOCK_ATTRIBUTES.chain]: chain,
    [BLOCK_ATTRIBUTES.block]: block,
    [BLOCK_ATTRIBUTES.kind]: kind,
    [BLOCK_ATTRIBUTES.rows]: entries.length,
    [BLOCK_ATTRIBUTES.hash]: hash.toString('hex'),
  }
}

function attributesWithNote(block: CommittedBlock): Attributes {
  return { ...attributesOf(block), [BLOCK_ATTRIBUTES.note]: block.note }
}

/** What this needs of `@opentelemetry/api-logs`, whose major version is still 0. */
interface LoggerProvider {
  getLogger(name: string, version: string): { emit(record: object): void }
}

// Where the API of logs keeps its provider: one for the process, whichever copy of the API an application has.
const LOGS_API = Symbol.for('io.opentelemetry.js.api.logs')
const LOGS_API_VERSION = 1
const SEVERITY_INFO = 9

/** @returns false when no logger provider is registered */
function logRecord(attributes: Attributes): boolean {
  const holder = globalThis as { [LOGS_API]?: (version: number) => LoggerProvider }
  const provider = holder[LOGS_API]?.(LOGS_API_VERSION)
  if (provider === undefined) return false
  provider.getLogger('otel-audit', VERSION).emit({
    eventName: ANCHOR_NAME,
    severityNumber: SEVERITY_INFO,
    severityText: 'INFO',
    body: attributes[BLOCK_ATTRIBUTES.note],
    attributes,
    context: ROOT_CONTEXT,
  })
  return true
}
