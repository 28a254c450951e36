/**
 * What one relation of the store is like, as one short text: whatever changes about it, the text changes too. It is only
 * ever compared with what the same server said before; what it may be is for the full check to judge. Every name in it is
 * qualified.
 *
 * `pg_class.xmin` stands for everything that is said there (persistence, row security, rules, number of CHECKs, rights).
 * Triggers, indexes, defaults and columns of a type that is not built in have rows of their own.
 *
 * @param table alias of the row of `pg_class`
 */
export function shapeSql(table: string): string {
  const of = (catalog: string, by: string): string =>
    `from pg_catalog.${catalog} as part where part.${by} operator(pg_catalog.=) ${table}.oid`
  const list = (what: string, catalog: string, by: string): string =>
    `array(select ${what} ${of(catalog, by)} order by 1)::pg_catalog.text`
  return `pg_catalog.concat_ws(' ', ${table}.oid, ${table}.xmin, ${table}.relkind, ${table}.relpersistence, ${table}.relhasrules,
    ${table}.relrowsecurity, ${table}.relam, ${table}.relchecks,
    ${list(`pg_catalog.concat(part.oid, part.tgenabled, part.tgtype, '/', part.tgfoid)`, 'pg_trigger', 'tgrelid')},
    ${list('part.indexrelid', 'pg_index', 'indrelid')},
    ${list('part.oid', 'pg_attrdef', 'adrelid')},
    (select pg_catalog.count(*) ${of('pg_depend', 'objid')}
     and part.classid operator(pg_catalog.=) 1259 and part.refclassid operator(pg_catalog.=) 1247))`
}
