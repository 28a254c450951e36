import { createHash } from '../host/crypto.js'
import { Outcome } from '../event/vocabulary.js'
import { CSV_HEAD, rowCsv } from '../query/csv.js'
import { settledFilter } from '../query/export/export-file.js'
import { describeFilter, parseFilter, type TrailFilter } from '../query/filter.js'
import { type IdFormat, rowJson, type TrailRow } from '../query/row.js'
import type { SettledState } from '../query/settled-state.js'
import { recordEnd, recordRead } from './record-read.js'
import type { ReaderCall, RouteContext } from './route.js'

/** How rows are written, one after another. */
export interface RowFormat {
  readonly mediaType: string
  readonly fileName: string
  readonly head: string
  row(row: TrailRow, ids: IdFormat): string
}

export const NDJSON: RowFormat = {
  mediaType: 'application/x-ndjson',
  fileName: 'secret-audit.ndjson',
  head: '',
  row: (row, ids) => `${rowJson(row, ids)}\n`,
}

export const CSV: RowFormat = {
  mediaType: 'text/csv; charset=utf-8; header=present',
  fileName: 'secret-audit.csv',
  head: CSV_HEAD,
  row: rowCsv,
}

/**
 * The whole result as a stream, in constant memory: the next page is read when the client has taken the one before, and
 * no connection or transaction is held meanwhile. Only settled rows, so that it is a set that no longer changes.
 *
 * One row of the trail says that it began, before the first byte; a second one how it ended, and with how many rows.
 */
export async function streamRows(
  context: RouteContext,
  call: ReaderCall,
  given: TrailFilter,
  format: RowFormat,
  ids: IdFormat,
): Promise<Response> {
  const asked = settledFilter(given)
  const state = await context.trail.settledState()
  const settled =
    asked.settled === true || asked.settled === 'true' ? { ...asked, settled: String(state.mark) } : asked
  const filter = describeFilter(parseFilter(settled))
  await recordRead(context, call, { what: 'export', filter }, Outcome.Started)
  const pages = context.trail.pages(settled)
  let rows = 0
  const hash = createHash('sha256')
  const end = (outcome: Outcome): void => {
    // Of a file that is whole; the hash of a part is nobody's.
    const sha256 = outcome === Outcome.Ok ? hash.digest('hex') : undefined
    recordEnd(context, call, { what: 'export', filter, rows, sha256 }, outcome)
  }
  const encoder = new TextEncoder()
  const encoded = (text: string): Uint8Array => {
    hash.update(text)
    return encoder.encode(text)
  }
  // Before the headers are sent: a query that fails is a problem document.
  let next = await pages.next().catch((error: unknown): never => {
    end(Outcome.Other)
    throw error
  })
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (format.head !== '') controller.enqueue(encoded(format.head))
      },
      async pull(controller) {
        try {
          if (next.done === true) {
            end(Outcome.Ok)
            return controller.close()
          }
          const page = next.value.rows
          rows += page.length
          context.metrics.rowsRead(page.length)
          controller.enqueue(encoded(page.map((row) => format.row(row, ids)).join('')))
          next = await pages.next()
        } catch (error) {
          // The client sees that the body has no end.
          context.failures.failed('an export broke off', error)
          end(Outcome.Other)
          controller.error(new Error('the export broke off'))
        }
      },
      async cancel() {
        end(Outcome.Stopped)
        await pages.return()
      },
    },
    { highWaterMark: 0 },
  )
  const headers = {
    ...headersOf(format),
    'secret-audit-mark': String(settled.settled),
    ...unsettledHeaders(state),
  }
  return new Response(body, { headers })
}

/** A body cannot say what it lacks: rows that are committed, and wait for an older transaction. */
function unsettledHeaders({ unsettled, since }: SettledState): Record<string, string> {
  if (unsettled === 0) return {}
  return {
    'secret-audit-unsettled': String(unsettled),
    ...(since !== null && { 'secret-audit-unsettled-since': since.toISOString() }),
  }
}

/** One page in a format other than JSON. The cursor of the next one is in `Link` (RFC 8288). */
export function pageResponse(
  rows: readonly TrailRow[],
  nextCursor: string | null,
  { request }: ReaderCall,
  format: RowFormat,
  ids: IdFormat,
): Response {
  const headers: Record<string, string> = headersOf(format)
  if (nextCursor !== null) {
    const url = new URL(request.url)
    url.searchParams.set('cursor', nextCursor)
    headers['link'] = `<${url.pathname}${url.search}>; rel="next"`
  }
  return new Response(format.head + rows.map((row) => format.row(row, ids)).join(''), { headers })
}

function headersOf({ mediaType, fileName }: RowFormat): Record<string, string> {
  return { 'content-type': mediaType, 'content-disposition': `attachment; filename="${fileName}"` }
}
