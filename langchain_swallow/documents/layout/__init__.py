"""Pages as they were laid out → text: lines joined, headings, contents and running lines found."""
