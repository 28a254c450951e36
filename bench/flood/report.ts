import type { Flood, FloodOptions } from './run.js'

/** Most that the memory of the service may grow over that of a fresh one, in MiB. */
export const MAX_GROWTH_MIB = 96

/** What is wrong with the account of the events; undefined when it adds up. */
export function unaccounted({ events, spool }: FloodOptions, flood: Flood): string | undefined {
  const { stored, rows, gapCount, recorded, settled } = flood
  if (rows !== stored) return `${rows - stored} events are stored twice`
  if (stored + gapCount !== events)
    return `${events - stored - gapCount} of ${events} events are unaccounted for`
  // What a dropped gap row counted is counted again by the next one.
  if (settled.dropped < gapCount)
    return `${settled.dropped} events were dropped, and gap rows count ${gapCount}`
  if (spool && gapCount > 0) return `${gapCount} events were lost despite the spool`
  if (!spool && recorded.spooled > 0) return 'there is a spool, and there should be none'
  return undefined
}

export function floodReport({ events, spool }: FloodOptions, flood: Flood) {
  const { idle, recorded, settled, stored, gapCount } = flood
  const growth = mib(Math.max(recorded.peakRss, settled.peakRss) - idle.rss)
  const json = {
    events,
    spool,
    stored,
    lost: gapCount,
    recorded_per_s: Math.round(events / recorded.seconds),
    drained_per_s: Math.round(stored / settled.seconds),
    rss_idle_mib: mib(idle.rss),
    rss_growth_mib: growth,
    rss_growth_recording_mib: mib(recorded.peakRss - idle.rss),
    rss_growth_draining_mib: mib(settled.peakRss - idle.rss),
    blocked_ms: {
      idle: rounded(idle.blockedMs),
      recording: rounded(recorded.blockedMs),
      draining: rounded(settled.blockedMs),
    },
  }
  const blocked = ({ max, p99 }: { max: number; p99: number }): string =>
    `${max.toFixed(1)} ms at most, p99 ${p99.toFixed(1)} ms`
  const text = [
    `${events} async events with Postgres stopped, ${spool ? 'with a spool' : 'without a spool'}`,
    `  recorded      ${json.recorded_per_s} a second; then ${recorded.spooled} on disk only, ${recorded.dropped} dropped`,
    `  after restart ${stored} stored, ${gapCount} counted by gap rows; ${json.drained_per_s} rows a second`,
    `  memory        ${json.rss_idle_mib} MiB fresh and idle, at most ${growth} MiB more (goal: ${MAX_GROWTH_MIB})`,
    `  event loop    blocked while recording: ${blocked(json.blocked_ms.recording)}; while draining: ${blocked(json.blocked_ms.draining)}; idle: ${blocked(json.blocked_ms.idle)}`,
  ].join('\n')
  return { text, json }
}

const mib = (bytes: number): number => Number((bytes / 1024 / 1024).toFixed(1))

const rounded = ({ max, p99 }: { max: number; p99: number }) => ({
  max: Number(max.toFixed(1)),
  p99: Number(p99.toFixed(1)),
})
