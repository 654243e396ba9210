// What React 17 lacks of react-dom/client.
import type { ReactElement } from 'react';
import ReactDOM from 'react-dom';

interface React17 {
  render(element: ReactElement, container: Element): void;
  unmountComponentAtNode(container: Element): boolean;
}
const { render, unmountComponentAtNode } = ReactDOM as unknown as React17;

export const createRoot = (container: Element) => ({
  render: (element: ReactElement) => render(element, container),
  unmount: () => unmountComponentAtNode(container),
});
