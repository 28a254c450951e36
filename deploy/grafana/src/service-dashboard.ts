import { type Dashboard, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { dashboardOf, serviceVariable } from './dashboard.js'
import { graph, stat, table, text } from './panels.js'

/** The series of the chosen services. */
const of = (name: string, ...labels: readonly string[]): string =>
  `noetl_secret_audit_${name}{${['job=~"$service"', ...labels].join(',')}}`
const status = (name: string): string => of('writes_total', `status="${name}"`)
const inRange = (series: string): string => `sum(increase(${series}[$__range]))`
const increase = (series: string, by?: string): string =>
  `sum${by === undefined ? '' : ` by (${by}) `}(increase(${series}[$__rate_interval]))`
const rate = (series: string, by?: string): string =>
  `sum${by === undefined ? '' : ` by (${by}) `}(rate(${series}[$__rate_interval]))`
const quantile = (q: number, name: string): string =>
  `histogram_quantile(${q}, sum by (le) (rate(${of(`${name}_bucket`)}[$__rate_interval])))`

/** For whoever runs the services: whether every access is recorded, and what stands in the way. */
export function serviceDashboard(): Dashboard {
  return dashboardOf({
    uid: 'otel-audit',
    title: 'Secret access audit',
    description: 'Whether every access to a secret is recorded, and what stands in the way.',
    from: 'now-30m',
    refresh: '1m',
  })
    .withVariable(serviceVariable())
    .withRow(new RowBuilder('Is every access recorded?'))
    .withPanel(
      stat('Recorded', 'Audit events committed to Postgres in the time range.', inRange(status('written'))),
    )
    .withPanel(
      stat('Lost', 'Accesses that took place and are not in the trail.', inRange(status('dropped_async')), {
        red: 1,
      }),
    )
    .withPanel(
      stat(
        'Strict writes failed',
        'Secrets that were withheld, because their records could not be stored.',
        inRange(status('failed_strict')),
        { red: 1 },
      ),
    )
    .withPanel(
      stat(
        'Callers refused',
        'Strict callers that got an error, whatever became of the row.',
        inRange(of('strict_denied_total')),
        { orange: 1 },
      ),
    )
    .withPanel(
      stat(
        'Oldest pending event',
        'Age of the oldest event whose fate is not known.',
        `max(${of('oldest_pending_age')})`,
        { unit: 's', decimals: 1, orange: 5, red: 60 },
      ),
    )
    .withPanel(
      stat(
        'Lost by the database',
        'Rows that it had acknowledged, and has lost since: a failover, or an old backup.',
        inRange(of('records_lost_by_store_total')),
        { red: 1 },
      ),
    )
    .withRow(new RowBuilder('Is it whole, and is all of it seen?'))
    .withPanel(
      stat(
        'Since the last verification',
        'Since `otel-audit verify --metrics` last found nothing wrong.',
        'time() - max(noetl_secret_audit_verify_last_success)',
        { unit: 's', orange: 7200, red: 10_800 },
      ),
    )
    .withPanel(
      stat('Findings', 'Of the last verification.', 'max(noetl_secret_audit_verify_findings)', { red: 1 }),
    )
    .withPanel(
      stat(
        'Clients not covered',
        'Secret clients whose accesses may have no row, or are not held back.',
        `sum(${of('coverage', 'state=~"not_hooked|observed"')}) or vector(0)`,
        { red: 1 },
      ),
    )
    .withPanel(
      stat(
        'Denied again and again',
        'Denials of a credential that had ten within the five minutes before.',
        inRange(of('denials_repeated_total')),
        { orange: 1 },
      ),
    )
    .withPanel(
      stat(
        'Set aside',
        'Events that the database refuses for their content.',
        inRange(of('records_quarantined_total')),
        {
          red: 1,
        },
      ),
    )
    .withPanel(
      stat(
        'Reads refused',
        'Reads of the trail that were refused by its server, for want of a valid token.',
        'sum(increase(noetl_secret_audit_server_reads_refused_total[$__range])) or vector(0)',
        { orange: 1 },
      ),
    )
    .withRow(new RowBuilder('Writes'))
    .withPanel(
      graph(
        'By outcome',
        'Accesses a second.',
        [{ expr: `${rate(status('written'), 'outcome')} > 0`, legend: '{{outcome}}' }],
        { unit: 'ops', isStacked: true, width: 12 },
      ),
    )
    .withPanel(
      graph(
        'By status',
        'How the writes of events ended.',
        [{ expr: rate(of('writes_total'), 'status'), legend: '{{status}}' }],
        { unit: 'ops', width: 12 },
      ),
    )
    .withPanel(
      graph(
        'By operation',
        'Accesses a second.',
        [{ expr: `${rate(status('written'), 'operation')} > 0`, legend: '{{operation}}' }],
        { unit: 'ops', isStacked: true, width: 12 },
      ),
    )
    .withPanel(
      graph(
        'Losses and refusals',
        'Normally zero.',
        [
          { expr: increase(status('dropped_async'), 'job'), legend: '{{job}} lost' },
          { expr: increase(status('failed_strict'), 'job'), legend: '{{job}} strict write failed' },
          { expr: increase(of('strict_denied_total'), 'job'), legend: '{{job}} caller refused' },
          {
            expr: increase(of('records_lost_by_store_total'), 'job'),
            legend: '{{job}} lost by the database',
          },
          {
            expr: `sum by (job) (${of('shutdown_abandoned_total')})`,
            legend: '{{job}} abandoned at its end',
          },
        ],
        { bars: true, width: 12 },
      ),
    )
    .withRow(new RowBuilder('Pipeline'))
    .withPanel(
      graph(
        'Oldest pending event',
        'Grows while nothing is stored, also when no counter moves.',
        [{ expr: of('oldest_pending_age'), legend: '{{job}} {{instance}}' }],
        { unit: 's' },
      ),
    )
    .withPanel(
      graph('Waiting events', 'In memory, waiting or on their way.', [
        { expr: of('queue_depth'), legend: '{{job}} {{instance}}' },
      ]),
    )
    .withPanel(
      graph(
        'Commit duration',
        'From sending a batch to its commit: what a strict caller waits for.',
        [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, 'commit_duration'), legend: `p${q * 100}` })),
        { unit: 's' },
      ),
    )
    .withPanel(
      graph('Rows of a batch', 'Callers who record at once share a commit.', [
        { expr: `${rate(of('batch_size_sum'))} / ${rate(of('batch_size_count'))}`, legend: 'mean' },
        { expr: quantile(0.99, 'batch_size'), legend: 'p99' },
      ]),
    )
    .withPanel(
      graph(
        'Records out of the ordinary',
        'Without the trace, escaped or cut, redacted, under another id, set aside.',
        ['direct', 'sanitized', 'redacted', 'rekeyed', 'quarantined'].map((name) => ({
          expr: increase(of(`records_${name}_total`)),
          legend: name,
        })),
        { bars: true },
      ),
    )
    .withPanel(
      graph(
        'Recorded and stored',
        'The two are one line, unless events wait.',
        [
          { expr: rate(of('records_emitted_total')), legend: 'recorded' },
          { expr: rate(status('written')), legend: 'stored' },
        ],
        { unit: 'ops' },
      ),
    )
    .withPanel(
      graph('Events in the spool', 'On the disk of the service, not yet in the trail.', [
        { expr: of('spool_depth'), legend: '{{job}} {{instance}}' },
      ]),
    )
    .withPanel(
      graph(
        'Bytes in the spool',
        'Of its entries.',
        [{ expr: of('spool_bytes'), legend: '{{job}} {{instance}}' }],
        { unit: 'bytes' },
      ),
    )
    .withPanel(
      graph(
        'Into the spool and back',
        'Those of processes that ended are among those that come back.',
        [
          { expr: increase(of('spool_out_total')), legend: 'to the disk' },
          { expr: increase(of('spool_in_total')), legend: 'back' },
        ],
        { bars: true },
      ),
    )
    .withRow(new RowBuilder('The trail itself, read from Postgres'))
    .withPanel(text(LEAVES_NO_ROW, { width: 24, height: 3 }))
    .withPanel(
      table('Latest accesses', 'The newest hundred of the time range.', 'latest-accesses', {
        width: 16,
        height: 10,
      }),
    )
    .withPanel(
      table('By credential', 'The fifty accessed most in the time range.', 'by-credential', {
        width: 8,
        height: 10,
      }),
    )
    .build()
}

export const LEAVES_NO_ROW = `**What is read here leaves no row.** These panels ask Postgres by a login of Grafana's that may read the whole trail, and whoever
may look at this dashboard may send that login statements of their own. Reads that have to be recorded, with who it was, go through
[the console](\${console}/) or \`otel-audit query\`. A click on a credential or an id leads there.`
