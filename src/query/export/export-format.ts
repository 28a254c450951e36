import { CSV_HEAD, rowCsv } from '../csv.js'
import { rowJson, type TrailRow } from '../row.js'
import { ECS_MAPPING, ecsJson } from './ecs.js'
import { OCSF_MAPPING, ocsfJson } from './ocsf.js'
import { CsvRecords, Lines } from './records.js'

export type ExportFormat = 'ndjson' | 'csv' | 'ocsf' | 'ecs'

/** How the rows of an export are written. */
interface Encoding {
  readonly mediaType: 'application/x-ndjson' | 'text/csv'
  /** Another schema than that of the trail, with its version and that of the mapping; `null` for the trail's own. */
  readonly schema: string | null
  readonly head: string
  readonly line: (row: TrailRow) => string
  /** What takes a file of it apart again. */
  readonly pieces: () => Lines | CsvRecords
}

const ndjson = { mediaType: 'application/x-ndjson', head: '', pieces: () => new Lines() } as const

const named = (
  name: string,
  { schema, mapping }: { readonly schema: string; readonly mapping: number },
): string => `${name}/${schema}/${mapping}`

/** Every format of an export. */
export const ENCODINGS: Readonly<Record<ExportFormat, Encoding>> = Object.freeze({
  ndjson: { ...ndjson, schema: null, line: (row) => `${rowJson(row)}\n` },
  csv: { mediaType: 'text/csv', schema: null, head: CSV_HEAD, line: rowCsv, pieces: () => new CsvRecords() },
  ocsf: { ...ndjson, schema: named('ocsf', OCSF_MAPPING), line: (row) => `${ocsfJson(row)}\n` },
  ecs: { ...ndjson, schema: named('ecs', ECS_MAPPING), line: (row) => `${ecsJson(row)}\n` },
})

export const EXPORT_FORMATS = Object.freeze(Object.keys(ENCODINGS)) as readonly ExportFormat[]

/** @returns undefined for a schema or mapping that this version does not write */
export function encodingOf({
  media_type,
  schema = null,
}: {
  readonly media_type: string
  readonly schema?: string | null | undefined
}): Encoding | undefined {
  return Object.values<Encoding>(ENCODINGS).find(
    (encoding) => encoding.mediaType === media_type && encoding.schema === schema,
  )
}
