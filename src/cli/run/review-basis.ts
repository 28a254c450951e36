import { ArchiveSource } from '../../archive/archive-source.js'
import { AuditError } from '../../errors.js'
import { INT8_MIN } from '../../event/int8.js'
import { firstIdOf, snowflakeTime } from '../../event/snowflake.js'
import { formatTime } from '../../event/time.js'
import { wallClock } from '../../host/globals.js'
import type { ReadSettings } from '../../options/read-options.js'
import type { ReviewManifest } from '../../query/review/review-manifest.js'
import type { ReviewWindow } from '../../query/review/window.js'
import type { IdRange } from '../../verify/source.js'
import type { Trust } from '../../verify/trust.js'
import type { Flags } from '../read-flags.js'
import { type ArchiveSession, endOf, withArchives } from './archive-session.js'
import { type ReadSession, withTrail } from './read-session.js'
import { snapshotOf } from './verify-database.js'
import { trailsOf } from './verify-input.js'
import type { WholeRowsSource } from './watched-rows.js'

/** What a review is made of: the trail as it is now, or archives of it. */
export interface ReviewBasis extends Pick<ReadSession, 'record'> {
  readonly source: WholeRowsSource
  readonly trust: Trust
  /** Ids whose rows the source need not have. Undefined: it is a whole trail. */
  readonly elsewhere: readonly IdRange[] | undefined
  /** Rows of transactions from this one on are not settled. Undefined: all are. */
  readonly mark: bigint | undefined
  /** What of the manifest says what was read. */
  readonly stated: Pick<ReviewManifest, 'made_at' | 'trail' | 'mark' | 'system' | 'table' | 'archive'>
}

interface BasisRequest {
  readonly flags: Flags
  readonly trust: Trust
  readonly window: ReviewWindow
}

/** Opens what the flags name, for as long as the work takes. */
export async function withBasis(
  request: BasisRequest,
  work: (basis: ReviewBasis) => Promise<void>,
): Promise<void> {
  const { flags, trust } = request
  const { archive } = flags
  if (typeof archive === 'string') {
    await withArchives({ flags, archive, trust }, (session) => work(ofArchives(session, request)))
    return
  }
  await withTrail(flags, ({ settings, record }) => ofTrail({ settings, record }, request, work))
}

async function ofTrail(
  { settings, record }: { readonly settings: ReadSettings } & Pick<ReadSession, 'record'>,
  { trust: given }: BasisRequest,
  work: (basis: ReviewBasis) => Promise<void>,
): Promise<void> {
  const trust = { ...given, trails: trailsOf(given, settings.trail) }
  const source = await snapshotOf(settings, trust.trails)
  try {
    const mark = await source.mark()
    const stated = {
      made_at: formatTime(source.now),
      trail: await source.trail(),
      mark: String(mark),
      ...(await source.place()),
      archive: null,
    }
    await work({ source, trust, elsewhere: undefined, mark, record, stated })
  } finally {
    await source.close()
  }
}

function ofArchives({ opened, record }: ArchiveSession, { trust: given, window }: BasisRequest): ReviewBasis {
  const { store, archives } = opened
  const source = new ArchiveSource(store, archives)
  refuseUncovered(window, source.elsewhere, `${store.place} has no archive`, endOf(opened))
  const trail = archives[0]?.manifest.trail ?? ''
  const stated = {
    made_at: formatTime(wallClock() * 1000),
    trail,
    mark: null,
    system: null,
    table: null,
    archive: {
      place: store.place,
      archives: archives.length,
      last_manifest: archives.at(-1)?.hash ?? '',
      ids_before: endOf(opened),
    },
  }
  const trust = { ...given, trails: [trail] }
  return { source, trust, elsewhere: source.elsewhere, mark: undefined, record, stated }
}

/** A review of a window of which a part is not there would count too little. */
function refuseUncovered(
  { from, to }: ReviewWindow,
  elsewhere: readonly IdRange[],
  what: string,
  end: string,
): void {
  const [first, last] = [firstIdOf(Math.floor(from / 1000)), firstIdOf(Math.ceil(to / 1000)) - 1n]
  // What was before the first archive is not known, as it is not known of a trail; of then alone nothing can be said.
  const gap = elsewhere.find(
    (range) => range.first <= last && range.last >= (range.first === INT8_MIN ? last : first),
  )
  if (gap === undefined) return
  const since = formatTime(snowflakeTime(gap.first > first ? gap.first : first) * 1000)
  throw new AuditError(
    'AUDIT_INVALID_QUERY',
    `to: ${what} of rows from ${since} on, and the window reaches to ${formatTime(to)}; the archives there end at ${end}`,
    {
      field: 'to',
      remedy:
        'Give a window that is archived, archive what is missing (otel-audit archive --before …), or review the trail (without --archive).',
    },
  )
}
