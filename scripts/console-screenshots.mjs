// Takes the pictures of the console in docs/console, from a trail of 200,000 rows: npm run console:screenshots.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { createAudit } from '../dist/index.js'
import { migrate } from '../dist/postgres/migrate/migrate.js'
import { ComputedEvidence, parseTrust, Trail } from '../dist/query/index.js'
import { bearerToken, serveTrail } from '../dist/server/index.js'
import { launchChromium } from '../build/test/support/chromium.js'
import { fillLargeTrail } from '../build/test/support/large-trail.js'
import { startPostgres } from '../build/test/support/postgres/server.js'

const FOLDER = join(import.meta.dirname, '..', 'docs', 'console')
const TOKEN = 'of-this-run-only'

const PICTURES = [
  { name: 'rows-light', width: 1280, colorScheme: 'light', path: '/?from=-7d' },
  {
    name: 'row-dark',
    width: 1280,
    height: 620,
    colorScheme: 'dark',
    path: '/?from=-7d&service_name=wallet',
    isRow: true,
  },
  {
    name: 'credentials-dark',
    width: 1280,
    colorScheme: 'dark',
    path: '/?view=summary&order=dormant&from=-120d',
  },
  { name: 'matrix-light', width: 1280, colorScheme: 'light', path: '/?view=matrix' },
  { name: 'suspicious-dark', width: 1280, colorScheme: 'dark', path: '/?view=suspicious' },
  { name: 'chains-light', width: 1280, colorScheme: 'light', path: '/?view=chains&ended=all' },
  { name: 'narrow-light', width: 400, colorScheme: 'light', path: '/?from=-30d&outcome=not-ok' },
  {
    name: 'narrow-dark',
    width: 400,
    colorScheme: 'dark',
    path: '/?from=-7d&service_name=wallet',
    isRow: true,
  },
]

const postgres = await startPostgres()
try {
  const databaseUrl = postgres.url()
  await migrate({ databaseUrl, roles: true })
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  const trust = parseTrust(await fillLargeTrail(client, databaseUrl))
  await client.end()
  const audit = createAudit({ databaseUrl, serviceName: 'otel-audit' })
  const trail = new Trail({ databaseUrl })
  const server = await serveTrail({
    trail,
    audit: audit.service,
    authenticator: bearerToken(TOKEN),
    evidence: new ComputedEvidence({ databaseUrl, trust }),
    trust,
    traceUrl: 'https://jaeger.example/trace/{trace_id}',
    port: 0,
  })
  const browser = await launchChromium()
  await mkdir(FOLDER, { recursive: true })
  for (const picture of PICTURES) await take(browser, server.url, picture)
  await browser.close()
  await server.close()
  await Promise.all([trail.close(), audit.close()])
} finally {
  await postgres.close()
}

async function take(browser, url, picture) {
  const { name, width, height = width > 1000 ? 760 : 900, colorScheme, path, isRow = false } = picture
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
  })
  await context.addInitScript((value) => sessionStorage.setItem('token', value), TOKEN)
  const page = await context.newPage()
  await page.goto(url + path)
  await page.locator('tbody tr').first().waitFor()
  await page.locator('main:not(.loading)').waitFor()
  if (isRow) {
    await page.locator('tbody td.time a').first().click()
    await page.locator('#detail .step').first().waitFor()
  }
  await page.screenshot({ path: join(FOLDER, `${name}.png`) })
  await context.close()
}
