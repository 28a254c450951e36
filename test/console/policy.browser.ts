import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PATH } from '../server/served.js'
import { BrowsedTrail, type Opened, type View } from './browsed-trail.js'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browsed: BrowsedTrail

beforeAll(async () => {
  browsed = await BrowsedTrail.start()
})

afterAll(() => browsed.close())

const open = (view?: View): Promise<Opened> => browsed.open(view)

describe('accessibility and policy', () => {
  test.each([
    ['light', 1280, '/?row'],
    ['dark', 1280, '/'],
    ['light', 400, '/'],
    ['dark', 400, '/?view=summary'],
    ['light', 1280, '/?view=summary&credential=orders-db'],
    ['light', 1280, '/?view=matrix'],
    ['dark', 400, '/?view=matrix'],
    ['dark', 1280, '/?view=suspicious&from=-30d'],
    ['light', 1280, '/?view=chains&ended=all'],
    ['dark', 400, '/?view=chains'],
    ['light', 400, '/?view=coverage'],
    ['light', 400, '/?row'],
    ['dark', 1280, '/?credential=nothing&nonsense=1'],
  ] as const)('axe finds nothing: %s, %i wide, %s', async (colorScheme, width, path) => {
    const { page, complaints } = await open({ colorScheme, width, path: path === '/?row' ? '/' : path })
    if (path === '/?row') {
      await page.locator('tbody td.time a').first().click()
      await page.locator('#detail .steps').waitFor()
    }
    await page.evaluate(AXE)
    const violations = await page.evaluate(async () => {
      const { axe } = window as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
      }
      const found = await axe.run()
      return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
    })
    expect(violations).toEqual([])
    expect(complaints).toEqual([])
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect(overflow, 'nothing is wider than the screen').toBeLessThanOrEqual(0)
  })

  test('no request leaves the origin, and the policy lets nothing else in', async () => {
    const { page, server, requests, complaints } = await open()
    await page.locator('tbody td.time a').first().click()
    await page.locator('#detail .steps').waitFor()
    expect(requests.filter((url) => !url.startsWith(server.url))).toEqual([])
    expect(complaints).toEqual([])
    const policy = (await server.get('/', {})).headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/unsafe|\*|data:|http/)
    const ran = await page.evaluate(() => {
      const script = document.createElement('script')
      const style = document.createElement('style')
      style.textContent = 'body { outline: 7px solid red }'
      try {
        script.textContent = 'window.ran = true'
      } catch {
        // Trusted Types refuse the text already.
      }
      document.head.append(script, style)
      return [
        (window as unknown as { ran?: boolean }).ran === true,
        getComputedStyle(document.body).outlineWidth === '7px',
      ]
    })
    expect(ran).toEqual([false, false])
  })

  test('every read of the console is a row of the trail', async () => {
    const { page } = await open({ path: '/?credential=billing-db' })
    await page.locator('tbody td.time a').first().click()
    await page.locator('#detail .steps').waitFor()
    const { rows } = await browsed.client.query<{ what: string }>(
      `select distinct attributes->>'what' as what from noetl.secret_audit where operation = 'query_trail' order by 1`,
    )
    expect(rows.map(({ what }) => what)).toEqual(expect.arrayContaining(['histogram', 'row', 'rows']))
    expect((await open()).server.url + PATH).toContain('127.0.0.1')
  })
})
