import { JSON } from '../../host/globals.js'
import type { ClientBase } from 'pg'
import { readSql, renderSql } from '../sql-text.js'
import { shapeSql } from './shape.js'

/** A function that is called by an expression. */
export interface CalledFunction {
  readonly oid: string
  readonly name: string
  /** `i` immutable, `s` stable, `v` volatile. */
  readonly volatility: string
  /** Of one that is not built in. */
  readonly source: string | null
}

export interface Expression {
  readonly functions: readonly CalledFunction[]
  /** Functions, operators, types, … that are not built in. */
  readonly needs: readonly string[]
}

export interface FoundColumn {
  readonly name: string
  readonly type: string
  readonly typeOid: string
  readonly isDomain: boolean
  readonly notNull: boolean
  readonly generated: boolean
  readonly identity: boolean
  readonly default: (Expression & { readonly definition: string }) | null
}

export interface FoundTrigger {
  readonly name: string
  readonly onInsert: boolean
  readonly enabled: boolean
  /** Also where `session_replication_role` is not `origin`. */
  readonly always: boolean
  /** Of one that hangs on the parent. */
  readonly isClone: boolean
  /** A built-in one, of a constraint of the same table. */
  readonly isOfConstraint: boolean
  readonly definition: string
  /** What its function is. */
  readonly sources: readonly unknown[]
}

export interface FoundIndex extends Expression {
  readonly name: string
  readonly unique: boolean
  readonly primary: boolean
  readonly exclusion: boolean
  readonly immediate: boolean
  readonly valid: boolean
  readonly isClone: boolean
  /** `null`: an expression. */
  readonly columns: readonly (string | null)[]
  readonly accessMethod: string
  readonly accessMethodOid: string
  readonly newestOperatorClass: string
  readonly hasExpressions: boolean
  readonly definition: string
}

export interface FoundConstraint extends Expression {
  readonly name: string
  /** As `pg_constraint.contype` has it. */
  readonly type: string
  readonly isClone: boolean
  readonly definition: string
}

export interface FoundRelation {
  readonly oid: string
  /** The row type is what rows are sent as. */
  readonly part:
    | 'rows'
    | 'blocks'
    | 'identity'
    | 'partition'
    | 'row type'
    | 'quarantine'
    | 'quarantine end'
    | 'quarantine partition'
  /** With its schema. */
  readonly name: string
  /** What `shapeSql` says of it. */
  readonly shape: string
  /** As `pg_class.relkind` has it. */
  readonly kind: string
  readonly persistence: string
  readonly accessMethod: string | null
  readonly rules: number
  /** Names of tables that inherit from it. A partition is none. */
  readonly children: readonly string[]
  readonly rowSecurity: boolean
  readonly policies: readonly unknown[]
  /** Of a partition, as the server writes it. */
  readonly bound: string | null
  /** The partition of whatever has no other. */
  readonly isDefault: boolean
  readonly columns: readonly FoundColumn[] | null
  readonly triggers: readonly FoundTrigger[]
  readonly indexes: readonly FoundIndex[]
  readonly constraints: readonly FoundConstraint[]
}

/** A relation that holds rows. */
export type FoundTable = FoundRelation & { readonly part: Exclude<FoundRelation['part'], 'row type'> }

export function isTable(relation: FoundRelation): relation is FoundTable {
  return relation.part !== 'row type'
}

/** The store as its catalogs describe it. */
export interface Inspection {
  readonly settings: Readonly<
    Record<'fsync' | 'full_page_writes' | 'synchronous_commit' | 'synchronous_standby_names', string>
  >
  readonly eventTriggers: readonly {
    readonly name: string
    readonly event: string
    readonly function: string
  }[]
  /** Names of functions in the schema that belong to the owner of the trail, and have their `search_path` pinned. */
  readonly functions: readonly string[]
  readonly relations: readonly FoundRelation[]
}

/** SQL for what an object depends on that is not built in. */
const needs = (catalog: string, oid: string): string => `(
  select coalesce(json_agg(distinct pg_describe_object(dep.refclassid, dep.refobjid, 0)), '[]')
  from pg_depend dep
  where dep.classid = '${catalog}'::regclass and dep.objid = ${oid} and dep.refclassid in ('pg_proc'::regclass,
    'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass, 'pg_type'::regclass, 'pg_am'::regclass,
    'pg_language'::regclass))`

/** Reads it, without waiting for locks on the tables. Needs no rights on them. */
export async function inspectStore(client: ClientBase, schema: string): Promise<Inspection> {
  const sql = renderSql(await readSql('./inspect.sql', import.meta.url), schema, {
    SHAPE: shapeSql('c.oid'),
    DEFAULT_NEEDS: needs('pg_attrdef', 'd.oid'),
    INDEX_NEEDS: needs('pg_class', 'i.indexrelid'),
    CONSTRAINT_NEEDS: needs('pg_constraint', 'k.oid'),
  })
  const { rows } = await client.query<{ store: string }>(sql)
  return JSON.parse(rows[0]?.store ?? 'null') as Inspection
}
