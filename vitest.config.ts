import { defineConfig } from 'vitest/config'
import LongFirst from './tests/support/long-first.ts'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    globalSetup: ['tests/support/global-setup.ts'],
    // For two cores: tests also wait, and three files at a time keep both busy; more would wait for each other.
    maxWorkers: 3,
    // Loading the product anew for each of two hundred files took a tenth of the time; no file leaves anything behind.
    isolate: false,
    sequence: { sequencer: LongFirst },
    // macOS' own is a link's, and so long that no socket's path fits below it.
    env: process.platform === 'darwin' ? { TMPDIR: '/private/tmp' } : {},
    testTimeout: 240_000,
    hookTimeout: 120_000,
    // A second, the default, is not long for a machine on which three of these files spawn databases and daemons.
    expect: { poll: { timeout: 15_000 } },
    reporters: ['default', './tests/support/closing-line.ts'],
  },
})
