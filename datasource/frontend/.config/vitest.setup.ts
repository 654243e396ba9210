import { cleanup } from '@testing-library/react';
import { afterEach, vi } from 'vitest';

// What @grafana/ui asks of a browser, and jsdom lacks.
window.matchMedia = vi
  .fn()
  .mockReturnValue({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() });
class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
}
window.ResizeObserver = Observer;
window.IntersectionObserver = Observer as never;
HTMLCanvasElement.prototype.getContext = vi.fn().mockReturnValue({ measureText: () => ({ width: 0 }) });
Element.prototype.scrollIntoView = vi.fn();

afterEach(cleanup);
