import { visible } from '../../host/visible.js'
import { type Retired, type RetiredRange, retiredIn } from '../../query/retired.js'
import type { Trail } from '../../query/trail.js'

/** µs since the Unix epoch, the end exclusive. */
interface Window {
  readonly from: number | undefined
  readonly to: number | undefined
}

/**
 * Says on standard error which rows of a window were retired, and where their archives are: an answer without them looks as if
 * there were none.
 *
 * @param command that reads archives, too; undefined: the one that was asked does not
 */
export async function tellRetired(
  trail: Pick<Trail, 'retired'>,
  window: Window,
  command: string | undefined,
): Promise<void> {
  const lines = retiredLines(await trail.retired(), window, command)
  for (const line of lines) process.stderr.write(`otel-audit: ${line}\n`)
}

export function retiredLines(
  retired: Retired,
  window: Window,
  command: string | undefined,
): readonly string[] {
  const byPlace = new Map<string | null, RetiredRange[]>()
  for (const range of retiredIn(retired, window))
    byPlace.set(range.place, [...(byPlace.get(range.place) ?? []), range])
  return [...byPlace].map(([place, ranges]) => {
    const [first, last] = [ranges[0]?.from ?? undefined, ranges.at(-1)?.to ?? '']
    const which = first === undefined ? `rows before ${day(last)}` : `rows from ${day(first)} to ${day(last)}`
    if (place === null) return `${which} were retired without an archive, and are not shown`
    const how =
      command === undefined
        ? 'otel-audit query --archive reads it'
        : `otel-audit ${command} --archive ${visible(place)} reads it`
    return `${which} were retired, and are not shown: their archive is in ${visible(place)} (${how})`
  })
}

/** Partitions begin with a day. */
function day(time: string): string {
  return time.endsWith('T00:00:00.000000Z') ? time.slice(0, 10) : time
}
