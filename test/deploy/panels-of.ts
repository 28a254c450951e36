import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'

export interface Target {
  readonly expr?: string
  readonly rawSql?: string
}

/** What the tests look at of a panel. */
export interface Panel {
  readonly title?: string
  readonly type: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly Target[]
  readonly options?: { readonly content?: string }
  readonly fieldConfig?: {
    readonly overrides?: readonly {
      readonly matcher: { readonly options?: unknown }
      readonly properties: readonly { readonly value?: unknown }[]
    }[]
  }
}

/** The panels of a dashboard as Grafana gets them. */
export function panelsOf(dashboard: Dashboard): Panel[] {
  return (JSON.parse(JSON.stringify(dashboard)) as { panels: Panel[] }).panels
}

/** A time range, and what Grafana puts in the place of its macros and variables (the names in its documentation). */
export interface Range {
  readonly from: Date
  readonly to: Date
  /** Of the variable `credential`. */
  readonly credential?: string
}

/** The statement that the PostgreSQL data source sends. */
export function expanded(sql: string, { from, to, credential = '' }: Range): string {
  const seconds = (date: Date): string => String(Math.floor(date.getTime() / 1000))
  return sql
    .replaceAll('$__unixEpochFrom()', seconds(from))
    .replaceAll('$__unixEpochTo()', seconds(to))
    .replaceAll(/\$__timeGroup\((\w+),\s*\$__interval\)/g, 'floor(extract(epoch from $1)/3600)*3600')
    .replaceAll('${credential:sqlstring}', `'${credential.replaceAll("'", "''")}'`)
}
