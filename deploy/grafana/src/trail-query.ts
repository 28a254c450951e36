import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import { DISPLACED } from '../../../src/query/conditions.js'

export const TRAIL = { type: 'grafana-postgresql-datasource', uid: 'audit-trail' }

/** Before the window: what is dormant in it was in use then. */
const DAYS_BEFORE = 90

/** Without the rows that the trail writes about itself. */
const IS_ACCESS = `credential <> 'secret_audit' and operation <> 'audit_coverage'`

/** What stands in the .sql files as `:NAME`. */
const PARTS = Object.freeze({
  ACCESSES: rowsOf(
    `${IS_ACCESS} and (\${credential:sqlstring} = '' or credential = \${credential:sqlstring})`,
  ),
  ACCESSES_AND_BEFORE: rowsOf(IS_ACCESS, DAYS_BEFORE * 86_400),
  COVERAGE: rowsOf(`operation = 'audit_coverage' and outcome <> 'ok'`),
  READS: rowsOf(`operation in ('query_trail', 'export_trail')`),
  MISSING: rowsOf(`outcome in ('lost', 'withheld') and outcome <> 'ok'`),
})

/**
 * All rows of the time range for which the condition holds: those whose ids are of the range and of an hour on both sides,
 * since an id is a time, and partitions are months of ids; and those whose ids are further off, by an index that has no
 * others (`secret_audit_displaced`).
 *
 * @param before the range, in s
 */
function rowsOf(condition: string, before = 0): string {
  const from = before === 0 ? '$__unixEpochFrom()' : `$__unixEpochFrom() - ${before}`
  const ids = `audit_id >= ((${from} - 1704070800)::bigint * 1000 << 22)
    and audit_id < (($__unixEpochTo() - 1704063599)::bigint * 1000 << 22)`
  const rows = `select * from noetl.secret_audit
  where occurred_at between to_timestamp(${from}) and to_timestamp($__unixEpochTo()) and ${condition}`
  return `${rows}
    and ${ids}
  union all
  ${rows}
    and ${DISPLACED}
    and not (${ids})`
}

/** A statement of `sql/`, for the data source of the trail. */
export class TrailQuery implements Builder<Dataquery> {
  readonly #text: string
  readonly #format: 'table' | 'time_series'

  constructor(name: string, format: 'table' | 'time_series' = 'table') {
    const text = readFileSync(join(import.meta.dirname, '..', 'sql', `${name}.sql`), 'utf8').trim()
    this.#text = text.replaceAll(/:([A-Z][A-Z_]+)/g, (_, part: keyof typeof PARTS) => PARTS[part])
    this.#format = format
  }

  build(): Dataquery {
    const query = {
      refId: 'A',
      datasource: TRAIL,
      rawSql: this.#text,
      format: this.#format,
      rawQuery: true,
      editorMode: 'code',
      _implementsDataqueryVariant(): void {},
    }
    return query
  }
}
