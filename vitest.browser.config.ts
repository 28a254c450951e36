import { defineConfig } from 'vitest/config'
import config from './vitest.config.js'

const { projects: _, coverage: __, ...test } = config.test ?? {}

/** The console in a real Chromium: `npm run console:check`. */
export default defineConfig({
  ...config,
  test: {
    ...test,
    include: ['test/console/**/*.browser.ts'],
    globalSetup: ['test/support/global-setup.ts'],
  },
})
