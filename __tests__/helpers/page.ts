/** As much of a page as charts need, where tests run: elements with attributes, text and children. */
export class FakeElement {
  readonly nodeType = 1;
  readonly style: Record<string, string> = {};
  readonly attributes = new Map<string, string>();
  className = '';
  textContent = '';
  clientWidth = 300;
  children: Array<FakeElement | string> = [];
  parentElement: FakeElement | undefined;

  constructor(readonly tag: string) {}

  readonly ownerDocument = {
    createElement: (tag: string) => new FakeElement(tag),
    createElementNS: (_: string, tag: string) => new FakeElement(tag),
  };

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }

  append(...children: Array<FakeElement | string>): void {
    for (const child of children) if (child instanceof FakeElement) child.parentElement = this;
    this.children.push(...children);
  }

  replaceChildren(...children: FakeElement[]): void {
    this.children = [];
    this.append(...children);
  }

  remove(): void {
    const parent = this.parentElement;
    if (parent) parent.children = parent.children.filter((child) => child !== this);
  }

  querySelectorAll(selector: string): FakeElement[] {
    return this.all((element) => `.${element.className}` === selector);
  }

  /** The elements within this one that a test looks for. */
  all(isWanted: (element: FakeElement) => boolean): FakeElement[] {
    const elements = this.children.filter((child) => child instanceof FakeElement);
    return elements.flatMap((child) => [...(isWanted(child) ? [child] : []), ...child.all(isWanted)]);
  }

  /** All text within. */
  get text(): string {
    return this.textContent + this.children.map((child) => (typeof child === 'string' ? child : child.text)).join(' ');
  }
}
