import type { HealthFinding } from '../../contract/sink.js'
import { allowLine, type AllowableKind } from './allowed.js'
import { columnProblems, typeProblems } from './columns.js'
import { isBuiltIn, isPure } from './expression.js'
import {
  type FoundConstraint,
  type FoundIndex,
  type FoundRelation,
  type FoundTable,
  type FoundTrigger,
  type Inspection,
  isTable,
} from './inspection.js'
import { missingParts } from './missing.js'

/**
 * Holds the tables against what the migrations make, by what things are and do: never against their texts, and never
 * against something that is stored in the database, which is its owner's to change. What runs somebody's code in our
 * INSERT, and what makes a stored row other than the one that was sent or not durable, is an error.
 *
 * @param allowed lines of `allowInStore`
 */
export function judgeStore(store: Inspection, allowed: ReadonlySet<string>): HealthFinding[] {
  const judge = new Judge(allowed)
  for (const relation of store.relations) judge.relation(relation)
  for (const [part, what] of MUST_BE_THERE) {
    if (!store.relations.some((relation) => relation.part === part)) judge.refuse(`${what} is missing`)
  }
  if (!store.relations.some(({ part }) => part === 'quarantine')) {
    judge.warn('the table of the quarantine is missing: a gateway cannot keep what is not an event')
  }
  for (const message of missingParts(store)) {
    judge.warn(`${message}; restore the trail, or make it again as the migration does`)
  }
  for (const { name, event, function: runs } of store.eventTriggers) {
    judge.warn(
      event === 'login'
        ? `the event trigger ${name} runs ${runs} at every log-in, and may change settings of the session`
        : `there is an event trigger, ${name}, at ${event}`,
    )
  }
  return judge.findings
}

const MUST_BE_THERE = [
  ['rows', 'the table of the rows'],
  ['blocks', 'the table of the blocks'],
  ['identity', 'the table of the identity'],
  ['row type', 'the type secret_audit_row_v1'],
] as const

const KINDS: Readonly<Record<string, string>> = {
  r: 'an ordinary table',
  p: 'a partitioned table',
  f: 'a foreign table',
  v: 'a view',
  m: 'a materialized view',
  c: 'a composite type',
}

const PERSISTENCE: Readonly<Record<string, string>> = {
  u: 'unlogged: a crash of the server empties it',
  t: 'temporary',
}

const MAY_BE: Readonly<Record<FoundRelation['part'], readonly string[]>> = {
  rows: ['p'],
  blocks: ['r'],
  identity: ['r'],
  partition: ['r', 'p'],
  quarantine: ['p'],
  'quarantine end': ['r'],
  'quarantine partition': ['r', 'p'],
  'row type': ['c'],
}

const KEY: Readonly<Record<FoundTable['part'], string>> = {
  rows: 'audit_id',
  blocks: 'chain_id, block_no',
  identity: 'only_row',
  partition: 'audit_id',
  quarantine: 'quarantine_id, fingerprint',
  'quarantine end': 'quarantine_id, fingerprint',
  'quarantine partition': 'quarantine_id, fingerprint',
}

/** How the names of our CHECKs begin. It alone makes nothing harmless. */
const OWN_NAME = 'secret_audit_'

class Judge {
  readonly findings: HealthFinding[] = []
  readonly #allowed: ReadonlySet<string>

  constructor(allowed: ReadonlySet<string>) {
    this.#allowed = allowed
  }

  relation(relation: FoundRelation): void {
    const { name, part, kind } = relation
    if (!MAY_BE[part].includes(kind)) this.refuse(`${name} is ${KINDS[kind] ?? `of kind ${kind}`}`)
    if (isTable(relation)) this.#table(relation)
    else for (const problem of typeProblems(relation)) this.refuse(`${name}: ${problem}`)
  }

  #table(relation: FoundTable): void {
    const { name, part, kind, persistence, accessMethod } = relation
    if (persistence !== 'p') this.refuse(`${name} is ${PERSISTENCE[persistence] ?? persistence}`)
    if (kind === 'r' && accessMethod !== 'heap')
      this.refuse(`${name} is stored by ${accessMethod ?? 'nothing'}`)
    if (relation.rules > 0) this.refuse(`${name} has a rule, which may store rows elsewhere`)
    if (relation.rowSecurity && !part.endsWith('partition')) {
      this.#allowable('row-security', name, relation.policies, `${name} has row security`)
    }
    for (const child of relation.children) {
      this.warn(
        `${name} has a child, ${child}, whose rows are read as rows of it: alter table … no inherit …`,
      )
    }
    if (relation.isDefault) {
      this.warn(`${name} is a default partition: it takes the rows of a missing month`)
    }
    for (const problem of columnProblems(relation)) {
      const message = `${name}: ${problem.message}`
      if (problem.default === undefined) this.refuse(message)
      else
        this.#allowable('default', `${name}.${problem.default.column}`, problem.default.definition, message)
    }
    for (const trigger of relation.triggers) this.#trigger(relation, trigger)
    for (const index of relation.indexes) this.#index(relation, index)
    if (!relation.indexes.some((index) => isOurKey(relation, index))) {
      this.refuse(`${name} has no valid primary key (${KEY[part]})`)
    }
    for (const constraint of relation.constraints) this.#constraint(relation, constraint)
  }

  /** Cannot be allowed. */
  refuse(message: string): void {
    this.findings.push({ level: 'error', check: 'store', message })
  }

  warn(message: string): void {
    this.findings.push({ level: 'warning', check: 'store', message })
  }

  #allowable(kind: AllowableKind, object: string, definition: unknown, message: string): void {
    const line = allowLine(kind, object, definition)
    if (!this.#allowed.has(line)) this.refuse(`${message}; if it is meant to be there, allowInStore: ${line}`)
  }

  #trigger({ name }: FoundTable, trigger: FoundTrigger): void {
    // One that is disabled runs when it is enabled: every batch looks for that.
    if (!trigger.onInsert || !trigger.enabled || trigger.isClone || trigger.isOfConstraint) return
    const message = `${name} has a trigger, ${trigger.name}, that runs at every INSERT`
    const definition = [trigger.definition, trigger.sources]
    this.#allowable('trigger', `${name}.${trigger.name}`, definition, message)
  }

  #index(relation: FoundTable, index: FoundIndex): void {
    if (index.isClone || isOurKey(relation, index)) return
    const why = whyIndex(index)
    if (why === undefined) return
    const definition = [index.definition, index.functions.map(({ source }) => source)]
    const message = `${relation.name} has an index, ${index.name}, that ${why}`
    this.#allowable('index', `${relation.name}.${index.name}`, definition, message)
  }

  #constraint({ name }: FoundTable, constraint: FoundConstraint): void {
    const { type, isClone, functions } = constraint
    if (isClone || (type !== 'c' && type !== 'f')) return
    if (type === 'c' && constraint.name.startsWith(OWN_NAME) && isPure(constraint)) return
    const what = type === 'c' ? 'a CHECK' : 'a foreign key'
    const definition = [constraint.definition, functions.map(({ source }) => source)]
    const message = `${name} has ${what}, ${constraint.name}, that no migration made`
    this.#allowable('constraint', `${name}.${constraint.name}`, definition, message)
  }
}

/** Why an index is not harmless. */
function whyIndex(index: FoundIndex): string | undefined {
  if (index.exclusion) return 'excludes rows'
  if (index.unique) return 'is unique, and refuses rows'
  if (index.hasExpressions) return 'evaluates an expression for every row'
  if (!isBuiltIn(index.accessMethodOid)) return `uses ${index.accessMethod}, which is not built in`
  if (!isBuiltIn(index.newestOperatorClass)) return 'uses operators that are not built in'
  if (!isPure(index)) return 'evaluates a predicate that is not built in'
  return undefined
}

function isOurKey({ part }: FoundTable, index: FoundIndex): boolean {
  return index.primary && index.immediate && index.valid && index.columns.join(', ') === KEY[part]
}
