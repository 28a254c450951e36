import type { ExistingTable } from './adopt-table.js'
import type { MigrationStep } from '../migrate/migration-step.js'
import { quoteIdentifier } from '../schema-name.js'

/** The predicate of `secret_audit_displaced`, as Postgres writes it. */
const displacedBy = (operator: string, seconds: number): string =>
  `(occurred_at ${operator} to_timestamp(((((audit_id >> 22))::double precision / (1000)::double precision) + (${seconds})::double precision)))`

/** The trail's indexes: what an adopted table must have too, or else attaching it would build them under a lock. */
const PARENT_INDEXES = [
  { suffix: 'credential_time', definition: 'btree (credential text_pattern_ops, audit_id DESC)' },
  { suffix: 'execution', definition: 'btree (execution_id) WHERE (execution_id IS NOT NULL)' },
  { suffix: 'not_ok', definition: "btree (outcome, audit_id DESC) WHERE (outcome <> 'ok'::text)" },
  { suffix: 'settled', definition: 'brin (recorded_xid)' },
  {
    suffix: 'displaced',
    definition: `btree (occurred_at) WHERE (${displacedBy('<', 1704063600)} OR ${displacedBy('>', 1704070800)})`,
  },
] as const

const adopted = (suffix: string): string => `secret_audit_adopted_${suffix}`

/** Builds what is missing, while inserts go on. An index that an interrupted build left invalid is built anew. */
export function indexSteps({ indexes }: ExistingTable, schema: string): MigrationStep[] {
  return PARENT_INDEXES.flatMap(({ suffix, definition }) => {
    if (indexes.some((index) => index.valid && index.definition === definition)) return []
    const name = adopted(suffix)
    const steps: MigrationStep[] = []
    if (indexes.some((index) => index.name === name)) {
      steps.push({
        title: `adopt: drop the unfinished index ${name}`,
        sql: `drop index concurrently "${schema}".${name};`,
        mode: 'online',
      })
    }
    steps.push({
      title: `adopt: build index ${name}`,
      sql: `create index concurrently ${name} on "${schema}".secret_audit using ${definition};`,
      mode: 'online',
    })
    return steps
  })
}

/** Makes way for the names of the new table's indexes. */
export function indexRenames({ indexes }: ExistingTable, schema: string): string[] {
  const rename = (from: string, to: string): string =>
    `alter index "${schema}".${quoteIdentifier(from)} rename to ${quoteIdentifier(to)};`
  const taken = new Map(indexes.map((index) => [index.name, index]))
  const renames = taken.has('secret_audit_pkey') ? [rename('secret_audit_pkey', adopted('pkey'))] : []
  for (const { suffix, definition } of PARENT_INDEXES) {
    const name = `secret_audit_${suffix}`
    const index = taken.get(name)
    if (!index) continue
    const matches = index.valid && index.definition === definition && !taken.has(adopted(suffix))
    renames.push(rename(name, matches ? adopted(suffix) : `${name}_original`))
  }
  return renames
}
