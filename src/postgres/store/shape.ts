/**
 * What one relation of the store is like, as one short text: whatever changes about it, the text changes too. It is only
 * ever compared with what the same server said before; what it may be is for the full check to judge.
 *
 * `pg_class.xmin` stands for everything that is said there (persistence, row security, rules, number of CHECKs, rights).
 * Triggers, indexes, defaults and columns of a type that is not built in have rows of their own.
 *
 * @param table alias of the row of `pg_class`
 */
export function shapeSql(table: string): string {
  const list = (columns: string, of: string, by: string): string =>
    `array(select ${columns} from pg_catalog.${of} as part where part.${by} = ${table}.oid order by 1)::text`
  return `concat_ws(' ', ${table}.oid, ${table}.xmin, ${table}.relkind, ${table}.relpersistence, ${table}.relhasrules,
    ${table}.relrowsecurity, ${table}.relam, ${table}.relchecks,
    ${list(`concat(part.oid, part.tgenabled, part.tgtype, '/', part.tgfoid)`, 'pg_trigger', 'tgrelid')},
    ${list('part.indexrelid', 'pg_index', 'indrelid')},
    ${list('part.oid', 'pg_attrdef', 'adrelid')},
    (select count(*) from pg_catalog.pg_depend as part
     where part.classid = 1259 and part.objid = ${table}.oid and part.refclassid = 1247))`
}
