import type { AuditStats } from '../exporter/fates.js'
import { VERSION } from '../version.js'

/** Upper ends of the duration buckets, in seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

interface Duration {
  readonly counts: number[]
  sum: number
  count: number
}

/** What the server counts, in the text format of Prometheus. Labels are routes and statuses, never a credential or an id. */
export class ServerMetrics {
  readonly #requests = new Map<string, number>()
  readonly #durations = new Map<string, Duration>()
  #rows = 0

  request(route: string, status: number, seconds: number): void {
    const labels = `route="${route}",status="${status}"`
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1)
    const duration = this.#durations.get(route) ?? { counts: BOUNDS.map(() => 0), sum: 0, count: 0 }
    this.#durations.set(route, duration)
    for (const [i, bound] of BOUNDS.entries())
      if (seconds <= bound) duration.counts[i] = (duration.counts[i] ?? 0) + 1
    duration.sum += seconds
    duration.count++
  }

  rowsRead(count: number): void {
    this.#rows += count
  }

  /** @param stats of the pipeline that records the reads, where there is one */
  exposition(stats: AuditStats | undefined): string {
    const duration = 'noetl_secret_audit_server_request_duration_seconds'
    return [
      ...family('noetl_secret_audit_server_build_info', 'gauge', 'Version of the server.', [
        `{version="${VERSION}"} 1`,
      ]),
      ...family(
        'noetl_secret_audit_server_requests_total',
        'counter',
        'Requests answered.',
        [...this.#requests].map(([labels, n]) => `{${labels}} ${n}`),
      ),
      ...family(
        'noetl_secret_audit_server_rows_read_total',
        'counter',
        'Rows of the trail that readers got.',
        [` ${this.#rows}`],
      ),
      `# HELP ${duration} Time until an answer began.`,
      `# TYPE ${duration} histogram`,
      ...[...this.#durations].flatMap(([route, { counts, sum, count }]) => [
        ...counts.map((n, i) => `${duration}_bucket{route="${route}",le="${BOUNDS[i]}"} ${n}`),
        `${duration}_bucket{route="${route}",le="+Inf"} ${count}`,
        `${duration}_sum{route="${route}"} ${sum}`,
        `${duration}_count{route="${route}"} ${count}`,
      ]),
      ...(stats === undefined ? [] : ofPipeline(stats)),
      '',
    ].join('\n')
  }
}

function ofPipeline({ emitted, written, pending }: AuditStats): string[] {
  return family('noetl_secret_audit_server_reads', 'gauge', 'Rows about reads, by where they are.', [
    `{state="emitted"} ${emitted}`,
    `{state="written"} ${written}`,
    `{state="pending"} ${pending}`,
  ])
}

function family(name: string, type: string, help: string, samples: readonly string[]): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map((sample) => `${name}${sample}`)]
}
