// A library wants a file; this one is there for its precompiled headers, see CMakeLists.txt.
