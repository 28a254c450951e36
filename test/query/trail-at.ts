import { onTestFinished } from 'vitest'
import { Trail, type TrailOptions, type TrailRow } from 'otel-audit/query'

/** A trail that ends with the test. */
export function trailAt({ url }: { readonly url: string }, options: Partial<TrailOptions> = {}): Trail {
  const trail = new Trail({ databaseUrl: url, cursorKey: 'canary-key', ...options })
  onTestFinished(() => trail.close())
  return trail
}

/** Every row of a scan, page after page with a cursor, as a client does. */
export async function scan(
  trail: Trail,
  filter: Parameters<Trail['search']>[0],
  betweenPages: () => Promise<unknown> = async () => {},
): Promise<TrailRow[]> {
  const rows: TrailRow[] = []
  let cursor: string | null | undefined
  do {
    const page = await trail.search({ ...filter, ...(cursor != null && { cursor }) })
    rows.push(...page.rows)
    cursor = page.next_cursor
    await betweenPages()
  } while (cursor !== null)
  return rows
}
