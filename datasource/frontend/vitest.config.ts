import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    testTimeout: 30_000, // a busy machine types slowly
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: '.config/vitest.setup.ts',
    // Their imports of styles and folders are for bundlers.
    server: { deps: { inline: [/@grafana\//] } },
  },
});
