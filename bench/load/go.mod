module moorage/bench/load

go 1.22
