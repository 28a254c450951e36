import { expect, it } from 'vitest'
import { Application } from '../../register/application.js'
import { CANARY, mount } from './mount.js'

interface Said {
  readonly report: Readonly<Record<string, string>>
  readonly coverage: readonly string[]
}

const HOOKED = ['node:fs hooked', 'node:fs sync observed']
const EARLIER = ['graceful-fs not_hooked', ...HOOKED]

// What graceful-fs has kept of `node:fs` from before is not seen: its state says so.
it.each([
  { order: 'no', ways: 5, unseen: [], covered: HOOKED },
  { order: 'after', ways: 8, unseen: [], covered: HOOKED },
  { order: 'in-place-after', ways: 5, unseen: [], covered: HOOKED },
  { order: 'in-place-before', ways: 5, unseen: ['by stream'], covered: EARLIER },
  {
    order: 'before',
    ways: 7,
    unseen: ['graceful', 'graceful stream'],
    covered: EARLIER,
  },
])('imported by name or required, graceful-fs loaded: $order', async ({ order, ways, unseen, covered }) => {
  const at = mount()
  const env = { GRACEFUL: order, SECRET: at.secret, NOETL_SECRET_AUDIT_FILES: at.secrets }
  const application = new Application({ app: 'files.mjs', preload: 'none', env })
  expect(await application.exit).toEqual({ code: 0, signal: null })
  const { report, coverage } = JSON.parse(application.stdout) as Said
  const rowOf = (how: string): string => (unseen.includes(how) ? '' : `${at.credential('db')} ok`)
  const hows = Object.keys(report)
  expect(hows).toHaveLength(ways)
  expect(report).toEqual(Object.fromEntries(hows.map((how) => [how, `${CANARY.length}: ${rowOf(how)}`])))
  expect(coverage).toEqual(covered)
  expect(application.stdout + application.stderr).not.toContain('hunter2')
})
